"""``strongroom migrate``: imports existing files. Its dependencies are loaded when a command runs."""
