"""Sessions of resumable and direct uploads; each has one blob."""
