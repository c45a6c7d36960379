"""Generated package ``strongroom._vendor.buf``: see the protos."""
