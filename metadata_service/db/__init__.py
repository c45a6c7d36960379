"""Postgres: connections, transactions, the schema and its migrations. Knows nothing of files."""
