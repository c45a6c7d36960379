"""Project trees with versions."""
