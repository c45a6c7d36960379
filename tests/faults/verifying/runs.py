"""Verifications and repairs of a cell, as requested by an operator."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from strongroom import Client
from tests.faults.cell import Cell
from tests.faults.verifying.planting import Expected, Planting
from tests.stack import until


class _AsStack:
    """A cell with the attributes of a stack that ``Planting`` uses."""

    def __init__(self, cell: Cell, storage: str) -> None:
        self._cell = cell
        self.state: dict[str, Any] = {
            "postgres": {"dsn": cell.checker.dsn},
            "s3": vars(cell.store),
            "storage": {"address": storage},
            "metadata": {"address": cell.address("metadata")},
        }

    def token(self, sub: str, **claims: object) -> str:
        return self._cell.token(sub, **claims)

    def http(self, sub: str) -> Any:
        return self._cell.http(sub)


@contextmanager
def planting_in(cell: Cell, storage: str = "") -> Iterator[Planting]:
    """Plants faults in a cell. ``storage``: the address of the storage_service, if not its first one."""
    cell.run()
    stack = _AsStack(cell, storage or cell.storage_address)
    planting = Planting(stack, SimpleNamespace())  # type: ignore[arg-type]
    yield planting
    planting.close()


def admin(at: Planting) -> Client:
    return at.client("operator", roles=["admin"])


def verified(at: Planting) -> str:
    """A run that has ended."""
    # The store's times are rounded up to whole seconds, and anything younger than now is not judged yet.
    planted = math.ceil(time.time())
    until("the second of the planting is over", lambda: time.time() >= planted)
    with admin(at) as client:
        run, _ = client.verifications.start("bytes")
        until("the run has ended", lambda: client.verifications.get(run.id).state == "finished")
        return run.id


def found(at: Planting, run_id: str) -> Expected:
    with admin(at) as client:
        return {(one.kind, one.key or one.owner_id) for one in client.verifications.findings(run_id)}


def nobody_acts(at: Planting) -> None:
    """End the leases of killed processes."""
    held = "SELECT count(*) FROM running_acts WHERE held_until > now()"
    until("the lease of the dead is over", lambda: at.rows(held) == [(0,)])


def repaired(at: Planting, run_id: str) -> set[str]:
    """Outcomes."""
    nobody_acts(at)
    with admin(at) as client:
        return {one.outcome for one in client.verifications.repair(run_id)}


def quarantine(at: Planting) -> dict[str, str]:
    """Keys by entry."""
    with admin(at) as client:
        return {entry.id: entry.key for entry in client.verifications.quarantine()}
