"""Reading committed objects: streams, links and signed URLs."""
