"""Import from URLs: a guarded HTTP client that streams into the upload engine."""
