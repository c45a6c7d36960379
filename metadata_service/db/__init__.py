"""Postgres: connections, transactions, the schema and its migrations. Independent of files."""
