"""Sources of files. All of their methods block."""
