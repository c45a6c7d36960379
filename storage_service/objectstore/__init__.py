"""The object store: the interface that this service uses, and the adapter for S3."""
