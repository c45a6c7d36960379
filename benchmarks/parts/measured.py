"""One part and what it costs, with it and without it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """CPU time of the two ways, in the part's unit."""

    with_: float
    without: float


@dataclass(frozen=True, slots=True)
class Part:
    """``fast``, ``plain``: measure one way once and answer its cost in ``unit``. ``decision``: the record
    that quotes the figure.
    """

    name: str
    decision: str
    unit: str
    fast: Callable[[], float]
    plain: Callable[[], float]

    def measure(self, rounds: int) -> Found:
        """The least of ``rounds``, by turns."""
        found = [(self.fast(), self.plain()) for _ in range(rounds)]
        return Found(min(one for one, _ in found), min(other for _, other in found))


def micros(work: Callable[[], object], times: int) -> float:
    """CPU µs of one ``work``."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6
