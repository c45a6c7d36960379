"""After a restore of the database: what to do with the objects that it does not know."""
