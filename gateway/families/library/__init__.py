"""The library: every file of the caller, whichever family it belongs to, under ``/api/v1/files``."""
