"""What pictures, videos and sounds say of themselves, read by processes of their own (docs/media.md)."""
