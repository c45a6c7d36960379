"""Writes Swift's three ring files: `python -m devstack.swift_rings FOLDER OBJECT_PORT CONTAINER_PORT
ACCOUNT_PORT`.

A process of its own because importing Swift takes most of a second and pulls in eventlet. One device holds
every partition, so rings built again (for other ports) place the data exactly as before.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

ROLES = ("object", "container", "account")
_PART_POWER = 4


def build(folder: Path, ports: tuple[int, ...]) -> None:
    """Write FOLDER/{object,container,account}.ring.gz for servers on 127.0.0.1."""
    builder_class = importlib.import_module("swift.common.ring.builder").RingBuilder
    for role, port in zip(ROLES, ports, strict=True):
        builder = builder_class(_PART_POWER, replicas=1, min_part_hours=0)
        address = {"ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port}
        builder.add_dev({"region": 1, "zone": 1, "device": "d1", "weight": 1.0, "meta": "", **address})
        builder.rebalance(seed=1)
        builder.get_ring().save(str(folder / f"{role}.ring.gz"))


if __name__ == "__main__":
    build(Path(sys.argv[1]), tuple(int(port) for port in sys.argv[2:]))
