"""What the database does for a request, and for each round of the work behind, with few rows and with many:
``python -m benchmarks.scale`` writes docs/scale.md.
"""
