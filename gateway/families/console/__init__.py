"""The console: a page for people at ``/console``."""
