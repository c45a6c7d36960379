"""Generated package ``strongroom.storage``: see the protos."""
