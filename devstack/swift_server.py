"""Runs Swift: `python -m devstack.swift_server CONF_FOLDER`, all four servers in this process.

Swift's own programs run one server each and use HTTP between them, which costs more than their work
(docs/decisions/0033). Only the proxy, which speaks S3, listens.
"""

from __future__ import annotations

import gc
import importlib
import sys
import time
from pathlib import Path
from typing import Any

from devstack import swift_databases, swift_faster, swift_inside
from devstack.swift_config import INSIDE_PORTS, write_rings

#: Functions with which Swift waits for the disk, and the modules that use them.
_SYNCS = ("fsync", "fdatasync", "fsync_dir", "drop_buffer_cache")
_YOUNG_OBJECTS = 20_000  # objects between two collections
_SYNCING = ("swift.common.utils", "swift.obj.diskfile")


def _nothing(*_: object) -> None:
    pass


def _never_wait_for_the_disk() -> None:
    """Written data is in the kernel and survives a kill of this process; see the decision."""
    for name in _SYNCING:
        module = importlib.import_module(name)
        for call in _SYNCS:
            if not hasattr(module, call):
                raise AttributeError(f"{name} has no {call}: another Swift than decision 0033 is about")
            module.__dict__[call] = _nothing


def join_servers(conf: Path) -> None:
    """Load the inner servers and connect the proxy to them."""
    importlib.import_module("swift.common.utils").monkey_patch()
    write_rings(conf)
    load = importlib.import_module("swift.common.wsgi").loadapp
    swift_inside.join({port: load(str(conf / f"{role}-server.conf")) for role, port in INSIDE_PORTS.items()})


def catch_up(conf: Path) -> None:
    """Apply listing updates that an earlier process postponed."""
    read = importlib.import_module("swift.common.utils").readconf
    settings: dict[str, Any] = read(str(conf / "object-server.conf"), section_name="object-updater")
    updater = importlib.import_module("swift.obj.updater").ObjectUpdater(settings)
    updater.begin = time.time()
    for device in Path(settings["devices"]).iterdir():
        updater.object_sweep(str(device))


def _settle() -> None:
    """Exempt imported modules from collection, and raise Python's threshold of 700 objects, less than one
    request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 10, 10)


def main() -> None:
    """Serve S3 until told to stop."""
    conf = Path(sys.argv[1])
    importlib.import_module("swift.common.utils").set_swift_dir(str(conf))
    _never_wait_for_the_disk()
    join_servers(conf)
    swift_faster.remember()
    swift_databases.keep()
    catch_up(conf)
    _settle()
    proxy = str(conf / "proxy-server.conf")
    importlib.import_module("swift.common.wsgi").run_wsgi(proxy, "proxy-server", verbose=True)


if __name__ == "__main__":
    main()
