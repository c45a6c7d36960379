"""HTTP to servers that strangers choose: checked addresses, metered connections, no redirects."""
