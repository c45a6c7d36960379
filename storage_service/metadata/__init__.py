"""Clients of metadata_service, one for each of its services. Nothing else calls it."""
