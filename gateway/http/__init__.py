"""HTTP, independent of the services: headers and bodies of requests, replies, problems, middleware."""
