"""The HTTP server: uvicorn, with connections that slow or greedy clients can't keep for ever."""
