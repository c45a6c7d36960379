"""One program for all services: ``serve --target all|gateway|storage|metadata [--workers N]``."""
