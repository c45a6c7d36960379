"""Which files and functions of ours one request enters (``python -m benchmarks.flows``)."""
