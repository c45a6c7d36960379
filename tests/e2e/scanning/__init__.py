"""Malware through every way of uploading, on one stack with a real clamd."""
