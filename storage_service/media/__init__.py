"""Reads facts from pictures, videos and sounds in separate processes (docs/media.md)."""
