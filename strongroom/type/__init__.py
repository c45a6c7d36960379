"""Generated package ``strongroom.type``: see the protos."""
