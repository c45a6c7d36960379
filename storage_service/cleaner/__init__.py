"""Ends what dead attempts, deletions and replacements left behind."""
