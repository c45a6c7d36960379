"""``strongroom migrate``: old files move in. What it takes is loaded when a command runs."""
