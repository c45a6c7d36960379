"""Operations that are kept on the caller's disk until the service, or its S3, is available
(docs/offline.md).
"""
