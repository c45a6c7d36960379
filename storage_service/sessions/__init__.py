"""Resumable and direct uploads: one engine, whose state lives in metadata_service and whose bytes live in
S3.
"""
