"""The database side of verification and scrub (docs/verify.md): reads all rows, changes only its own."""
