"""``python -m strongroom_server serve``. ``strongroom serve`` replaces its process with this one."""

from __future__ import annotations

import sys

import servicekit.lean_imports  # noqa: F401 - before what would load it
from strongroom_server.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
