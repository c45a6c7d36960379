"""Generated package ``strongroom._vendor``: see the protos."""
