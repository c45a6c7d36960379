"""What guests do with shares (docs/shares.md)."""
