"""The object store: what this service needs of one, and the adapter for S3."""
