"""The public contract of Strongroom: generated stubs, client, errors and command line."""
