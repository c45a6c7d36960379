"""storage_service moves bytes between callers and S3; it is the only holder of S3 credentials."""
