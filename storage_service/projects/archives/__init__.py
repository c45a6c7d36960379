"""ZIP files, written and read as streams: neither direction ever holds an archive."""
