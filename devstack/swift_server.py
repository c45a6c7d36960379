"""Runs one Swift server: `python -m devstack.swift_server ROLE CONFIG…`, ROLE one of proxy, object,
container, account.

Swift's own console scripts do the same; where pip put them is not always known.
"""

from __future__ import annotations

import importlib
import sys

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
    importlib.import_module(_MODULES[role]).main()


if __name__ == "__main__":
    main()
