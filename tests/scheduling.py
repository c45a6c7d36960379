"""Which tests stay on one worker, and which run first.

A module stays on one worker, so that its fixtures are created once. Modules that share a stack of services
stay together for the same reason, in as many groups as there may be stacks. The longest go first, by the
durations of an earlier run (``durations.json``), so that no worker idles at the end while another runs a long
module. Tests that only compute are spread over the whole run: tests of services mostly wait, and if all
workers had only those, the machine would idle.
"""

from __future__ import annotations

import heapq
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

RECORD: Final = Path(__file__).with_name("durations.json")
_STACKS: Final[Mapping[str, int]] = {"tests/e2e/": 2, "tests/integration/importing/": 1}
"""Folders whose modules share a stack, and how many stacks may run at once."""
_COMPUTING: Final = ("tests/unit/", "tests/contract/", "tests/model/")
"""Folders whose tests hardly ever wait."""
_UNKNOWN: Final = 0.05
"""Assumed seconds per test of a module without a record."""
_WORTH_KEEPING: Final = 1.0


def scope_of(nodeid: str) -> str:
    """The tests that stay together: a test's module, or the folder of a stack with its group's number."""
    module = nodeid.partition("::")[0]
    for folder, stacks in _STACKS.items():
        if module.startswith(folder):
            return f"{folder}{zlib.crc32(module.encode()) % stacks}"
    return module


def sort(items: list[pytest.Item], workers: int) -> None:
    """Sort in the order of ``begins``; the order within a scope stays."""
    begin = begins(expected(item.nodeid for item in items), workers)
    items.sort(key=lambda item: (begin[scope_of(item.nodeid)], scope_of(item.nodeid)))


def begins(seconds: Mapping[str, float], workers: int) -> Mapping[str, float]:
    """When each scope begins, given these durations: computing scopes get as much of one worker as they need,
    the rest get the others; the longest of each kind go first.
    """
    longest_first = sorted(seconds, key=lambda scope: (-seconds[scope], scope))
    computing = [scope for scope in longest_first if scope.startswith(_COMPUTING)]
    waiting = [scope for scope in longest_first if not scope.startswith(_COMPUTING)]
    begin = dict(_one_after_the_other(waiting, seconds, max(1, workers - 1)))
    whole, part = sum(seconds.values()) / workers, sum(seconds[scope] for scope in computing)
    stretch = max(1.0, whole / part) if waiting and part else 1.0
    return begin | {scope: at * stretch for scope, at in _one_after_the_other(computing, seconds, 1)}


def _one_after_the_other(
    scopes: Sequence[str], seconds: Mapping[str, float], workers: int
) -> Iterator[tuple[str, float]]:
    """Each scope, and the time when one of the workers is free for it."""
    free = [0.0] * workers
    for scope in scopes:
        at = heapq.heappop(free)
        yield scope, at
        heapq.heappush(free, at + seconds[scope])


def expected(nodeids: Iterable[str]) -> Mapping[str, float]:
    """Expected seconds by scope."""
    record: dict[str, float] = json.loads(RECORD.read_text())
    modules = Counter(nodeid.partition("::")[0] for nodeid in nodeids)
    seconds = Counter[str]()
    for module, tests in modules.items():
        seconds[scope_of(module)] += record.get(module, tests * _UNKNOWN)  # type: ignore[assignment]
    return seconds


def record(reports: Mapping[str, list[Any]]) -> None:
    """Record how long each module took, from the reports of a whole run."""
    seconds = Counter[str]()
    for report in (report for found in reports.values() for report in found):
        if isinstance(report, pytest.TestReport):
            seconds[report.nodeid.partition("::")[0]] += report.duration  # type: ignore[assignment]
    kept = {module: round(took, 1) for module, took in sorted(seconds.items()) if took >= _WORTH_KEEPING}
    RECORD.write_text(json.dumps(kept, indent=1) + "\n")
