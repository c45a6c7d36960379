"""Generated package ``strongroom._vendor.buf.validate``: see the protos."""
