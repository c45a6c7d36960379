"""One small module per gRPC service: requests in, use case, responses out."""
