"""Sends events to the targets that users have registered (docs/webhooks.md)."""
