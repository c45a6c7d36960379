"""Uploads whose bytes go straight to S3."""
