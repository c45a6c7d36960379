"""What every way of writing shares: reserve, hold the lease, make the object, commit or give up, remove."""
