"""storage_service moves bytes between callers and S3. Only it has S3 credentials."""
