"""SIGKILL at every step of a project's save, roll-back and deletion: the old version intact or the new one
whole, and
nothing left behind.

First every point is reached, one after the other, each by an owner of its own; what the dead left behind is
cleaned up
in the middle of further kills. Then, once everything has drained, each project is looked at, and each
request repeated
with the same idempotency key.
"""

from __future__ import annotations

import importlib

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
#: As many written files as make RecordFiles necessary (100 are told at once).
MANY = {f"many/{number:03}.txt": b"v2 %d" % number for number in range(104)}
OLD: Content = {"index.html": b"old", "same.txt": b"same", "gone.txt": b"gone", "gone/too.txt": b"gone too"}
NEW: Content = {"index.html": b"new", "same.txt": b"same", "added.txt": b"added"}

_prepared: set[ProjectKill] = set()


def _owner(kill: ProjectKill) -> str:
    return f"user-{KILLS.index(kill)}"


def _new(kill: ProjectKill) -> Content:
    """What the operation makes of OLD; some points are reached only by a large save."""
    if kill.operation == "roll back":
        return OLD
    return NEW | MANY if ".record." in kill.failpoint else NEW


def _before(kill: ProjectKill) -> list[Content]:
    """The versions there are before the operation."""
    return [OLD, NEW] if kill.operation == "roll back" else [OLD]


def test_every_failpoint_has_its_case() -> None:
    for module in ("metadata_service.bootstrap", "storage_service.bootstrap"):
        importlib.import_module(module)
    registered = {name for name in failpoints.registered() if ".project." in name}
    assert registered == {kill.failpoint for kill in KILLS if ".project." in kill.failpoint}


def test_projects_are_there(cell: Cell) -> None:
    cell.run()
    for kill in KILLS:
        for content in _before(kill):
            assert rpc.save(cell, _owner(kill), SLUG, content) is not None
        _prepared.add(kill)
    ProjectChecker(cell, SLUG).wait_drained()


@pytest.mark.parametrize("kill", KILLS, ids=str)
def test_the_process_dies_at_the_point(cell: Cell, kill: ProjectKill) -> None:
    assert kill in _prepared
    armed = {kill.service: f"{kill.failpoint}=kill"}
    if kill.holds == "either":
        cell.start(**armed)  # its cleaner may die of another project's keys at once
        until("storage_service answers or the process is dead", lambda: _try(cell, kill))
    else:
        cell.run(**armed)
        _operate(cell, kill)
    cell.wait_killed(kill.service)


@pytest.mark.parametrize("kill", KILLS, ids=str)
def test_the_promise_holds_after_the_drain(cell: Cell, kill: ProjectKill) -> None:
    cell.run()
    checker, owner = ProjectChecker(cell, SLUG), _owner(kill)
    checker.wait_drained()
    before, after = _before(kill), [*_before(kill), _new(kill)]
    if kill.operation == "delete":
        after = []
    found = after if checker.version(owner) == len(after) else before
    assert kill.holds in {"either", "new" if found is after else "old"}
    assert checker.problems(owner, found) == []

    if kill.operation == "cut":
        return
    if kill.operation == "delete":
        wanted = grpc.StatusCode.NOT_FOUND if found is after else grpc.StatusCode.OK
        assert rpc.delete(cell, owner, SLUG) == wanted
    else:
        version = _operate(cell, kill)
        assert version is not None
        assert version.version == len(after)
    checker.wait_drained(owner)
    assert checker.problems(owner, after) == []


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
