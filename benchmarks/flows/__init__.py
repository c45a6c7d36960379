"""Which of our files and functions a request enters (``python -m benchmarks.flows``)."""
