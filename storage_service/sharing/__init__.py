"""Guests' access to shares (docs/shares.md)."""
