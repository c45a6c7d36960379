"""SIGKILL at every step of a project's save, roll-back and deletion: the old version intact or the new one
whole, and nothing left behind.

First every point is reached, one after the other, each with its own owner; leftovers of the dead are cleaned
up during further kills. After everything has drained, each project is checked. Then each request is repeated
with the same idempotency key, and after the drain each project is checked again. A test that runs alone or
earlier runs the steps it needs.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable

import grpc
import pytest

from servicekit import failpoints
from strongroom.metadata.v1.project_pb2 import ProjectVersion
from tests.faults.cell import Cell
from tests.faults.projects import project_rpc as rpc
from tests.faults.projects.project_checker import Content, ProjectChecker
from tests.faults.projects.project_points import KILLS, ProjectKill
from tests.stack import until

SLUG = "site"
REQUEST = "request-1"
#: A save stalled for this long loses its lease; two seconds pass at once on a busy machine.
CELL_ENV = {"STRONGROOM_UPLOAD_LEASE_SECONDS": "6", "STRONGROOM_RETENTION_SWEEP_SECONDS": "1"}
#: Written files are reported in batches of this size; in production of 100, each of which costs a dozen S3
#: requests until nothing is left of it.
CONSTANTS = {"storage_service.projects.writer:RECORDED_AT_ONCE": 8}
#: Enough for RecordFiles.
MANY = {f"many/{number:03}.txt": b"v2 %d" % number for number in range(10)}
OLD: Content = {"index.html": b"old", "same.txt": b"same", "gone.txt": b"gone", "gone/too.txt": b"gone too"}
NEW: Content = {"index.html": b"new", "same.txt": b"same", "added.txt": b"added"}

_prepared: set[ProjectKill] = set()
_reached: set[ProjectKill] = set()
_repeated: set[ProjectKill] = set()
#: An aborted save has no request to repeat.
REPEATED = [kill for kill in KILLS if kill.operation != "cut"]


def _owner(kill: ProjectKill) -> str:
    return f"user-{KILLS.index(kill)}"


def _new(kill: ProjectKill) -> Content:
    """The tree after the operation on OLD. Some points are reached only by a large save."""
    if kill.operation == "roll back":
        return OLD
    return NEW | MANY if ".record." in kill.failpoint else NEW


def _before(kill: ProjectKill) -> list[Content]:
    """The versions before the operation."""
    return [OLD, NEW] if kill.operation == "roll back" else [OLD]


def test_every_failpoint_has_its_case() -> None:
    for module in ("metadata_service.bootstrap", "storage_service.bootstrap"):
        importlib.import_module(module)
    registered = {name for name in failpoints.registered() if ".project." in name}
    assert registered == {kill.failpoint for kill in KILLS if ".project." in kill.failpoint}


def test_projects_are_there(cell: Cell) -> None:
    _prepare(cell, KILLS)
    assert _prepared == set(KILLS)


@pytest.mark.parametrize("kill", KILLS, ids=str)
def test_the_process_dies_at_the_point(cell: Cell, kill: ProjectKill) -> None:
    _reach(cell, kill)
    assert kill in _reached


@pytest.mark.parametrize("kill", KILLS, ids=str)
def test_the_promise_holds_after_the_drain(cell: Cell, kill: ProjectKill) -> None:
    checker, owner = _drained(cell, kill), _owner(kill)
    before, after = _before(kill), _after(kill)
    found = after if checker.version(owner) == len(after) else before
    assert kill.holds in {"either", "new" if found is after else "old"}
    assert checker.problems(owner, found) == []


@pytest.mark.parametrize("kill", REPEATED, ids=str)
def test_the_repetition_is_answered(cell: Cell, kill: ProjectKill) -> None:
    checker, owner = _drained(cell, kill), _owner(kill)
    if kill.operation == "delete":
        wanted = grpc.StatusCode.OK if checker.version(owner) else grpc.StatusCode.NOT_FOUND
        assert rpc.delete(cell, owner, SLUG) == wanted
    else:
        version = until("the repetition succeeds", lambda: _operate(cell, kill), pause=0.5)
        assert version is not None
        assert version.version == len(_after(kill))
    _repeated.add(kill)


@pytest.mark.parametrize("kill", REPEATED, ids=str)
def test_it_is_done_once_after_the_drain(cell: Cell, kill: ProjectKill) -> None:
    if kill not in _repeated:
        test_the_repetition_is_answered(cell, kill)
    assert _drained(cell, kill).problems(_owner(kill), _after(kill)) == []


def test_versions_that_go_by_a_rule_leave_nothing_in_the_bucket(cell: Cell) -> None:
    """Also if services die in between: the remaining versions are complete, and every object has a row."""
    owner = "user-of-many-versions"
    saved = [OLD, OLD | {"only2.txt": b"2"}, NEW, NEW | {"index.html": b"4"}, NEW | {"index.html": b"5"}]
    cell.run()
    for number, content in enumerate(saved):
        until("it is saved", lambda: rpc.save(cell, owner, SLUG, content, f"v{number}"), pause=0.5)  # noqa: B023
    checker = ProjectChecker(cell, SLUG)
    with cell.http(owner) as http:
        http.put(f"/api/projects/{SLUG}/version-rule", json={"keep_last": 2}).raise_for_status()
    until("the first have gone", lambda: checker.versions(owner) < {1, 2, 3, 4, 5})
    cell.kill("metadata")
    cell.kill("storage")
    cell.run()
    until("all that are due have gone", lambda: checker.versions(owner) == {4, 5})
    checker.wait_drained(owner)
    assert checker.problems(owner, [None, None, None, *saved[3:]]) == []


def _drained(cell: Cell, kill: ProjectKill) -> ProjectChecker:
    """The checker, after the point was reached and this owner's work has drained."""
    _reach(cell, kill)
    cell.run()
    checker = ProjectChecker(cell, SLUG)
    checker.wait_drained(_owner(kill))
    return checker


def _after(kill: ProjectKill) -> list[Content]:
    """The versions after the operation."""
    return [] if kill.operation == "delete" else [*_before(kill), _new(kill)]


def _prepare(cell: Cell, kills: Iterable[ProjectKill]) -> None:
    """Create each kill's project as it is before the operation, unless it exists."""
    missing = [kill for kill in kills if kill not in _prepared]
    if not missing:
        return
    cell.run()
    for kill in missing:
        owner = _owner(kill)
        for number, content in enumerate(_before(kill)):
            request = f"before-{number}"
            until("it is saved", lambda: rpc.save(cell, owner, SLUG, content, request), pause=0.5)  # noqa: B023
        _prepared.add(kill)
    ProjectChecker(cell, SLUG).wait_drained()


def _reach(cell: Cell, kill: ProjectKill) -> None:
    """Let the process die at the point, unless it has. A save that lost its lease is repeated."""
    if kill in _reached:
        return
    _prepare(cell, [kill])
    armed = {kill.service: f"{kill.failpoint}=kill"}
    if kill.holds == "either":
        cell.start(**armed)  # its cleaner may die at once for another project's keys
    else:
        cell.run(**armed)
    until("the process is dead, or all is done", lambda: _try(cell, kill), pause=0.5)
    cell.wait_killed(kill.service)
    _reached.add(kill)


def _operate(cell: Cell, kill: ProjectKill) -> ProjectVersion | None:
    owner = _owner(kill)
    match kill.operation:
        case "save":
            return rpc.save(cell, owner, SLUG, _new(kill), REQUEST)
        case "archive":
            return rpc.save_archive(cell, owner, SLUG, _new(kill), REQUEST)
        case "roll back":
            return rpc.roll_back(cell, owner, SLUG, 1, REQUEST)
        case "cut":
            rpc.cut_save(cell, owner, SLUG, _new(kill))
        case "delete":
            rpc.delete(cell, owner, SLUG)
    return None


def _try(cell: Cell, kill: ProjectKill) -> bool:
    return not cell.is_alive(kill.service) or _operate(cell, kill) is not None
