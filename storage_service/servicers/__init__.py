"""The gRPC servicers: they only convert between protobuf and the use cases."""
