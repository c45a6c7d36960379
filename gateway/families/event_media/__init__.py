"""Event media, profile pictures, files that are deleted automatically."""
