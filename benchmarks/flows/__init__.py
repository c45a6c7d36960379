"""Counts our files and functions that a request enters (``python -m benchmarks.flows``)."""
