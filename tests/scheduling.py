"""Which tests stay on one worker, and which go first.

A module stays on one worker, so that its fixtures are made once. Modules that share a stack of services stay
together for the same reason, in as many groups as there may be stacks. The longest goes first by the seconds
of an earlier run (``durations.json``): no worker idles at the end while another has a long module before it.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

RECORD: Final = Path(__file__).with_name("durations.json")
_STACKS: Final[Mapping[str, int]] = {"tests/e2e/": 2, "tests/integration/importing/": 1}
"""Folders whose modules share one stack, and how many stacks may run at once."""
_UNKNOWN: Final = 0.05
"""Seconds that a test of a module takes which no record knows."""
_WORTH_KEEPING: Final = 1.0


def scope_of(nodeid: str) -> str:
    """What stays together: the module of a test, or the folder of a stack with the number of its group."""
    module = nodeid.partition("::")[0]
    for folder, stacks in _STACKS.items():
        if module.startswith(folder):
            return f"{folder}{zlib.crc32(module.encode()) % stacks}"
    return module


def sort(items: list[pytest.Item]) -> None:
    """The longest scope first; within a scope nothing changes places."""
    seconds = expected(item.nodeid for item in items)
    items.sort(key=lambda item: (-seconds[scope_of(item.nodeid)], scope_of(item.nodeid)))


def expected(nodeids: Iterable[str]) -> Mapping[str, float]:
    """Seconds by scope."""
    record: dict[str, float] = json.loads(RECORD.read_text())
    modules = Counter(nodeid.partition("::")[0] for nodeid in nodeids)
    seconds = Counter[str]()
    for module, tests in modules.items():
        seconds[scope_of(module)] += record.get(module, tests * _UNKNOWN)  # type: ignore[assignment]
    return seconds


def record(reports: Mapping[str, list[Any]]) -> None:
    """Write down how long each module took, of the reports of a whole run."""
    seconds = Counter[str]()
    for report in (report for found in reports.values() for report in found):
        if isinstance(report, pytest.TestReport):
            seconds[report.nodeid.partition("::")[0]] += report.duration  # type: ignore[assignment]
    kept = {module: round(took, 1) for module, took in sorted(seconds.items()) if took >= _WORTH_KEEPING}
    RECORD.write_text(json.dumps(kept, indent=1) + "\n")
