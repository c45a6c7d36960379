"""The HTTP server: uvicorn, with limits on how long slow or greedy clients can keep a connection."""
