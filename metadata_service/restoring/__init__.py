"""After a restore: objects in the bucket that the database does not know."""
