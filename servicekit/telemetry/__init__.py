"""A process's log lines, metrics and traces."""
