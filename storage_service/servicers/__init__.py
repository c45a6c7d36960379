"""The gRPC faces of the service: they convert, and nothing else."""
