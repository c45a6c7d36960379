"""The database's work for a request, and for each round of background work, with few rows and with many:
``python -m benchmarks.scale`` writes docs/scale.md.
"""
