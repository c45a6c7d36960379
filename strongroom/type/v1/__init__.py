"""Generated package ``strongroom.type.v1``: see the protos."""
