"""One-shot uploads, copies and imports: one request makes one file."""
