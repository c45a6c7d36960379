"""Scans stored contents again when the scanner has new signatures."""
