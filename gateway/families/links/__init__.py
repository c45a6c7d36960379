"""Links: URLs that read one file without a token."""
