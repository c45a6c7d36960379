"""A gRPC server from its settings to its last call, and channels to other services."""
