"""What operators do: acts under way, replicas that drain, derived rows made anew."""
