"""Writes Swift's three ring files: `python -m devstack.swift_rings FOLDER`.

A process of its own because importing Swift takes most of a second and pulls in eventlet. One device holds
every partition, so rings built again (for other ports) place the data exactly as before.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

#: The inner servers. Nothing listens on these ports: by them `swift_inside` knows whom Swift means.
INSIDE_PORTS = {"object": 1, "container": 2, "account": 3}
_PART_POWER = 4


def build(folder: Path) -> None:
    """Write FOLDER/{object,container,account}.ring.gz."""
    builder_class = importlib.import_module("swift.common.ring.builder").RingBuilder
    for role, port in INSIDE_PORTS.items():
        builder = builder_class(_PART_POWER, replicas=1, min_part_hours=0)
        address = {"ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port}
        builder.add_dev({"region": 1, "zone": 1, "device": "d1", "weight": 1.0, "meta": "", **address})
        builder.rebalance(seed=1)
        builder.get_ring().save(str(folder / f"{role}.ring.gz"))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
