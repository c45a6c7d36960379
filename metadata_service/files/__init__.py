"""Files as users see them: names and keys, rows, queries, edits, deletion; and how families differ."""
