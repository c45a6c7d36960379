"""An HTTP/1.1 client for the light path, used by threads and by the event loop.

It has a deadline for a reply's head, and exchanges can be aborted from outside.
"""
