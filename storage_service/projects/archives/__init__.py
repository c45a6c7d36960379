"""ZIP files, read and written as streams: no archive is ever held in memory."""
