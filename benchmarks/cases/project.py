"""The largest allowed project: saved, listed, read, zipped, rolled back, deleted.

It needs a store that keeps objects, so this case uses the dev stack's own instead of the sink.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg

from benchmarks import http_bodies, http_load, processes, project_tree
from benchmarks.payload import MIB
from benchmarks.report import Result
from benchmarks.samples import Sample, row_of
from benchmarks.targets import check
from benchmarks.workbench import Workbench

SLUG = "large"
FROM_ZIP = "large-zip"
#: Deleted objects are removed at once instead of after five minutes, so that the removal can be timed.
ENV = {"STRONGROOM_READ_GRACE_SECONDS": "1", "STRONGROOM_CLEANER_INTERVAL_SECONDS": "1"}
#: Number of removed objects to wait for. Objects are removed one by one after the answer, so waiting for all
#: would show no more than waiting for these.
SOME = 200
NOTE = (
    "Objects are in the dev stack's own store (Swift on the same two cores), not in the sink; its share is"
    " listed as store. The read grace is one second here instead of five minutes."
)
_GONE = 6  # strongroom.metadata.v1.BlobState
_PATIENCE = 600.0


@dataclass
class _Steps:
    """The steps, timed one by one."""

    bench: Workbench
    taken: dict[str, Sample] = field(default_factory=dict)

    def run(self, name: str, action: Callable[[], object]) -> None:
        """Run `action` once, and watch the processes."""
        before = self._store_cpu()
        sample = self.bench.through_gateway(1, action)
        cpu = {**sample.cpu, "store": self._store_cpu() - before}
        self.taken[name] = dataclasses.replace(sample, cpu=cpu)
        self.bench.say(f"project: {name}: {sample.seconds:.1f} s")

    def peak(self, process: str) -> float:
        """The maximum over all steps, MiB."""
        return max(sample.peak[process] for sample in self.taken.values())

    def _store_cpu(self) -> float:
        return sum(map(processes.cpu_seconds, self.bench.stack.store_pids))


def _round(bench: Workbench, steps: _Steps) -> None:
    shape, token, archive = bench.scale.project, bench.token, bench.folder / "project.zip"
    projects = f"{bench.stack.url}/api/projects"
    one, other = f"{projects}/{SLUG}", f"{projects}/{FROM_ZIP}"

    def save(edition: int) -> None:
        tree = project_tree.as_json(SLUG, shape, edition)
        http_bodies.send("POST", f"{projects}/save", token, tree, "application/json")

    def delete() -> None:
        for project in (one, other):
            http_bodies.send("DELETE", project, token)

    steps.run("save, every file new", partial(save, 1))
    steps.run("save, one file in a hundred changed", partial(save, 2))
    steps.run("list of projects", lambda: http_load.get_json(projects, token))
    steps.run("list of versions", lambda: http_load.get_json(f"{one}/versions", token))
    steps.run("read as JSON", lambda: http_load.download(one, token))
    steps.run("ZIP out", lambda: http_bodies.fetch(f"{one}/archive", token, archive))
    zip_in = partial(http_bodies.send, "POST", f"{other}/archive", token, kind="application/zip")
    steps.run("ZIP in, every file new", lambda: zip_in(_pieces(archive)))
    back = partial(http_bodies.send, "POST", f"{one}/rollback", token, [b'{"version": 1}'])
    steps.run("roll back", lambda: back("application/json"))
    steps.run("delete both projects: answered", delete)
    steps.run(f"delete both projects: {SOME} objects gone", lambda: _wait_until_gone(bench, SOME))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(MIB):
            yield piece


def _wait_until_gone(bench: Workbench, count: int) -> None:
    """Wait until the store has removed `count` of the user's objects, or all. Raises RuntimeError."""
    deadline = time.monotonic() + _PATIENCE
    query = "SELECT count(*) FILTER (WHERE state = %s), count(*) FROM blobs WHERE owner_id = %s"
    with psycopg.connect(bench.stack.dsn, autocommit=True) as connection:
        while time.monotonic() < deadline:
            (gone, there), *_ = connection.execute(query, (_GONE, bench.user)).fetchall()
            if gone >= min(count, there):
                return
            time.sleep(0.1)
    raise RuntimeError(f"{count} objects are not gone after {_PATIENCE:.0f} s")


def run(bench: Workbench) -> Result:
    """Measure each step once, in seconds, on services just started; peaks are those of all steps."""
    shape = bench.scale.project
    bench.user += "-project"
    with bench.keeping_stack(ENV):
        steps = _Steps(bench)
        _round(bench, steps)
    rows = [row_of(name, [sample]) for name, sample in steps.taken.items()]
    title = f"A project of {shape.files:,} files, {shape.files * shape.size / MIB:.0f} MiB"
    result = Result("project", title, "project", rows)
    result.checks = [
        check(f"{name} peak memory, project of 100 MiB", steps.peak(short))
        for name, short in (
            ("gateway", "gateway"), ("storage_service", "storage"), ("metadata_service", "metadata")
        )
    ]  # fmt: skip
    result.notes = [NOTE]
    return result
