"""Resumable and direct uploads: sessions, each around one blob."""
