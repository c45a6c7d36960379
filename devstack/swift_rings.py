"""Swift's three ring files, written here if they are missing.

One device has all partitions, so rings built again (for other ports) place the data exactly as before.
"""

from __future__ import annotations

import importlib
from pathlib import Path

#: Port numbers of the inner servers. Nothing listens on them: they tell `swift_inside` which server is meant.
INSIDE_PORTS = {"object": 1, "container": 2, "account": 3}
_PART_POWER = 4


def ensure(folder: Path) -> None:
    """Write FOLDER/{object,container,account}.ring.gz, unless they are current."""
    ports, mark = " ".join(map(str, INSIDE_PORTS.values())), folder / "rings-for-ports"
    if not mark.exists() or mark.read_text() != ports:
        _build(folder)
        mark.write_text(ports)


def _build(folder: Path) -> None:
    builder_class = importlib.import_module("swift.common.ring.builder").RingBuilder
    for role, port in INSIDE_PORTS.items():
        builder = builder_class(_PART_POWER, replicas=1, min_part_hours=0)
        address = {"ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port}
        builder.add_dev({"region": 1, "zone": 1, "device": "d1", "weight": 1.0, "meta": "", **address})
        builder.rebalance(seed=1)
        builder.get_ring().save(str(folder / f"{role}.ring.gz"))
