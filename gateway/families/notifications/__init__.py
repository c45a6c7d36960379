"""A user's events as they happen."""
