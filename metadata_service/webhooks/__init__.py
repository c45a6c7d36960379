"""Webhooks: owners' settings, deliveries made from the outbox, and claims of senders (docs/webhooks.md)."""
