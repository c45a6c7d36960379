"""What happens around every request; pure ASGI, one concern per file. ``gateway.app`` sets the order."""
