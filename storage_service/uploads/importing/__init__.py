"""Import from URLs: a guarded HTTP client that streams straight into the upload engine."""
