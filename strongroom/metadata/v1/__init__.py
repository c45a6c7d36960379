"""Generated package ``strongroom.metadata.v1``: see the protos."""
