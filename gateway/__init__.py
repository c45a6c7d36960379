"""The HTTP door: REST routes over storage_service and metadata_service. Holds no state and no credentials."""
