"""HTTP requests to servers that users choose: checked addresses, metered connections, no redirects."""
