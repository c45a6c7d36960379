"""Committed objects on their way out: streams and signed URLs."""
