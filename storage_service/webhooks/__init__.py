"""Sends what happened to the targets that users have named (docs/webhooks.md)."""
