"""Rows of `blobs`, their states, and every statement that inserts one or changes its state."""
