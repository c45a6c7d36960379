"""HTTP, whatever is behind: heads and bodies of requests, replies, problems, middleware."""
