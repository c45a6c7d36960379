"""What operators look at and set; with the admin role only."""
