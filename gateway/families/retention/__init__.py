"""Retention of files and projects, and legal holds."""
