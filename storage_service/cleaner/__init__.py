"""Cleans up after dead attempts, deletions and replacements."""
