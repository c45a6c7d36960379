"""Generated package ``strongroom.storage.v1``: see the protos."""
