"""Erases a user: every row and object of one owner, also after crashes (docs/admin.md)."""
