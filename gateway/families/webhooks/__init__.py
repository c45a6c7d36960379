"""Webhooks of users and, for admins, of the installation (docs/webhooks.md)."""
