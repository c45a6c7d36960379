"""After a restore: what the bucket has that the database does not know."""
