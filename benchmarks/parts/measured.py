"""The cost of one part, with and without it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """CPU time of both variants, in the part's unit."""

    with_: float
    without: float


@dataclass(frozen=True, slots=True)
class Part:
    """``fast``, ``plain``: measure one variant once, and return its cost in ``unit``.

    ``decision``: the record that quotes the figure.
    """

    name: str
    decision: str
    unit: str
    fast: Callable[[], float]
    plain: Callable[[], float]

    def measure(self, rounds: int) -> Found:
        """The minimum of ``rounds`` alternating rounds."""
        found = [(self.fast(), self.plain()) for _ in range(rounds)]
        return Found(min(one for one, _ in found), min(other for _, other in found))


def micros(work: Callable[[], object], times: int) -> float:
    """CPU µs of one ``work``."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6
