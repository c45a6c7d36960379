"""Erasing a user: every row and object of one owner, whoever dies on the way (docs/admin.md)."""
