"""The outbox and its readers: an owner's events in the order of commit, and the waking of watchers."""
