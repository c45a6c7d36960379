"""Runs one Swift program: `python -m devstack.swift_server ROLE CONFIG…`; ROLE is a server or the `updater`.

Swift's own console scripts do the same; where pip put them is not always known, and its daemons look
for swift.conf in /etc only.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

_MODULES = {
    "proxy": "swift.proxy.server",
    "object": "swift.obj.server",
    "container": "swift.container.server",
    "account": "swift.account.server",
    "updater": "swift.obj.updater",
}


def main() -> None:
    """Hand the rest of the command line to Swift; does not return."""
    role = sys.argv.pop(1)
    importlib.import_module("swift.common.utils").set_swift_dir(str(Path(sys.argv[1]).parent))
    importlib.import_module(_MODULES[role]).main()


if __name__ == "__main__":
    main()
