"""Uploads directly to S3."""
