"""Retention of files and projects: callers' requests, legal holds, and the sweep."""
