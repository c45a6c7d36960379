"""Scans every body for malware with clamd before it becomes visible, in parallel to its upload to S3."""
