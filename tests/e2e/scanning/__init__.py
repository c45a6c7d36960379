"""Malware at every door, on one stack with a real clamd."""
