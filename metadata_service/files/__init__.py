"""Files as users see them: names, keys, rows, queries, edits and deletion, and the differences between
families.
"""
