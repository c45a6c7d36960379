"""Stored contents are scanned again when the scanner has learnt more."""
