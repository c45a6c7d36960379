"""Rows of `blobs`, their states, and every statement that inserts one or moves one from state to state."""
