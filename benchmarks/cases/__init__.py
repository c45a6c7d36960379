"""The cases by name. Each is a function from the workbench to a Result."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.cases import (
    fairness,
    listing,
    memory,
    mixed,
    project,
    resumable,
    scanning,
    small,
    transfers,
    verifying,
)
from benchmarks.report import Result
from benchmarks.workbench import Workbench

#: The cases for one process. The others examine single services, and need three processes.
IN_ONE_PROCESS = ("upload", "download", "small", "gets", "list", "memory", "mixed", "resumable", "scanning")

CASES: dict[str, Callable[[Workbench], Result]] = {
    "upload": transfers.upload,
    "download": transfers.download,
    "small": small.uploads,
    "gets": small.gets,
    "list": listing.run,
    "memory": memory.run,
    "mixed": mixed.run,
    "resumable": resumable.run,
    "project": project.run,
    "fairness": fairness.run,
    "verify": verifying.run,
    "scanning": scanning.run,
}
