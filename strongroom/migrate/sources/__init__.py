"""Where old files are. Everything here blocks."""
