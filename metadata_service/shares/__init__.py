"""Shares: links that people without an account open (docs/shares.md)."""
