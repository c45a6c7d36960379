"""Webhooks: whose they are, the deliveries that are made of the outbox, who sends them (docs/webhooks.md)."""
