"""The outbox and its readers: an owner's events in the order of their commit, and who wakes watchers."""
