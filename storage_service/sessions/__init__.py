"""Resumable and direct uploads: one engine, with its state in metadata_service and its bytes in S3."""
