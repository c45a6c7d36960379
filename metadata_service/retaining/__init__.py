"""How long files and projects stay: what callers ask for, holds, and the sweep."""
