"""The only way to metadata_service: one client for each of its services."""
