"""Authentication: bearer tokens of users, and the credentials between Strongroom's processes."""
