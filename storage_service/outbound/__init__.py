"""HTTP to servers that strangers name: checked addresses, metered connections, no redirect followed."""
