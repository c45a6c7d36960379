"""What an owner uses and may use: quotas and running counts."""
