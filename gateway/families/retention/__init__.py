"""How long files and projects stay, and legal holds."""
