"""Restoring: handles the objects that a restored database does not know."""
