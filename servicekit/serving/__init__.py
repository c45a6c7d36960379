"""A gRPC server from its settings to its last call, and channels to others."""
