"""Clients of the services behind the gateway, and transfers of bytes in both directions."""
