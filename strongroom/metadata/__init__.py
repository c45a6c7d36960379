"""Generated package ``strongroom.metadata``: see the protos."""
