"""Operations that wait on the caller's disk until the service, or its S3, is back (docs/offline.md)."""
