"""Verification concurrent with writers, with broken listings, and killed (points R): there are no false
findings, and nothing is done because of an incomplete view.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from strongroom.errors import ActInProgress, StrongroomError
from tests.faults.cell import Cell
from tests.faults.matrices.store_faults import FAULTS
from tests.faults.s3_faults import edit_reply, hold, hold_reply
from tests.faults.s3_proxy import Fault, Rule
from tests.faults.s3_wire import Reply
from tests.faults.verifying import planting
from tests.faults.verifying.planting import Planting
from tests.faults.verifying.runs import admin, found, planting_in, quarantine, repaired, verified
from tests.stack import until

CELL_ENV: Final = {
    "STRONGROOM_VERIFY_GRACE_SECONDS": "0",
    "STRONGROOM_VERIFY_INTERVAL_SECONDS": "0",
    "STRONGROOM_CLEANER_SWEEP_SECONDS": "3600",
}
_ENTRY: Final = re.compile(rb"<Version>.*?</Version>", re.DOTALL)
_KEPT: Final = 4


@pytest.fixture(scope="module")
def at(cell: Cell) -> Iterator[Planting]:
    with planting_in(cell) as made:
        for _ in range(_KEPT):
            made.file()
        yield made


@pytest.fixture(autouse=True)
def serving(cell: Cell, at: Planting) -> None:
    cell.run()
    cell.checker.wait_drained()


def begun(at: Planting, depth: Any = "heads") -> str:
    with admin(at) as client:
        return client.verifications.start(depth)[0].id


def ended(at: Planting, run_id: str) -> None:
    with admin(at) as client:
        until("the run has ended", lambda: client.verifications.get(run_id).state == "finished")


def rearranged(entries: Callable[[list[bytes]], list[bytes]]) -> Fault:
    """A listing with changed entries, or in another order."""

    def edit(reply: Reply) -> Reply:
        whole = _ENTRY.findall(reply.body)
        if len(whole) < _KEPT:
            return reply
        first = reply.body.index(whole[0])
        return Reply(reply.head, reply.body[:first] + b"".join(entries(whole)) + _rest(reply.body, whole))

    return edit_reply(edit)


def _rest(body: bytes, entries: list[bytes]) -> bytes:
    return body[body.rindex(entries[-1]) + len(entries[-1]) :]


#: What is wrong with a listing of many keys.
PAGES: Final[Mapping[str, Fault]] = {
    "page-missing": rearranged(lambda entries: entries[: len(entries) // 2]),
    "duplicate-page": rearranged(lambda entries: entries * 2),
    "unordered": rearranged(lambda entries: entries[::-1]),
}
_BROKEN: Final = {
    **PAGES,
    **{name: FAULTS[name] for name in ("500", "reset-before-apply", "truncated-xml", "timeout-before-apply")},
}


@pytest.mark.parametrize("fault", _BROKEN)
def test_a_listing_that_breaks_finds_nothing_and_removes_nothing(
    cell: Cell, at: Planting, fault: str
) -> None:
    before = cell.checker.versions()
    rule = cell.s3.arm("ListObjectVersions", _BROKEN[fault], nth=None)
    run_id = begun(at)
    rule.wait_reached()
    assert found(at, run_id) == set()
    cell.s3.retire(rule)
    ended(at, run_id)
    assert found(at, run_id) == set()
    assert repaired(at, run_id) == set()
    assert cell.checker.versions() == before


def test_killed_in_a_listing_it_goes_on_and_finds_what_is_there(cell: Cell, at: Planting) -> None:
    expected = planting.alien_object(at)
    rule = cell.s3.arm("ListObjectVersions", hold_reply)
    run_id = begun(at)
    rule.wait_reached()
    cell.kill("storage")
    cell.s3.retire(rule)
    cell.checker.execute("UPDATE verification_shards SET free_at = now() WHERE free_at > now()")  # its lease
    assert all(at.versions(key) for _, key in expected)
    cell.run()
    ended(at, run_id)
    assert found(at, run_id) == expected
    assert repaired(at, run_id) == {"done"}


@pytest.mark.parametrize("fault", [hold, hold_reply], ids=["before the listing", "after the listing"])
def test_an_upload_that_commits_meanwhile_is_no_finding(cell: Cell, at: Planting, fault: Fault) -> None:
    rule = cell.s3.arm("ListObjectVersions", fault)
    run_id = begun(at)
    rule.wait_reached()
    _, key = at.file()
    let_go_and_find_nothing(cell, at, rule, run_id)
    assert at.versions(key)


def test_a_deletion_that_commits_before_the_look_is_no_loss(cell: Cell, at: Planting) -> None:
    owner, key = at.file()
    rule = cell.s3.arm("HeadObject", hold, key=key)
    run_id = begun(at)
    rule.wait_reached()
    assert at.http(owner).delete(f"/api/v1/s3/file/{key}").status_code == 200
    cell.checker.wait_drained()
    let_go_and_find_nothing(cell, at, rule, run_id)


def test_a_row_that_is_purged_meanwhile_is_no_finding(cell: Cell, at: Planting) -> None:
    owner, key = at.file()
    rule = cell.s3.arm("ListObjectVersions", hold_reply)
    run_id = begun(at)
    rule.wait_reached()
    assert at.http(owner).delete(f"/api/v1/s3/file/{key}").status_code == 200
    until("its row is purged", lambda: not at.rows("SELECT FROM blobs WHERE key = %s", key))
    let_go_and_find_nothing(cell, at, rule, run_id)


def let_go_and_find_nothing(cell: Cell, at: Planting, rule: Rule, run_id: str) -> None:
    cell.s3.retire(rule)
    ended(at, run_id)
    assert found(at, run_id) == set()


def repaired_or_refused(at: Planting, run_id: str) -> set[str]:
    """Outcomes; that another repair was running is one of them."""
    try:
        return repaired(at, run_id)
    except ActInProgress as error:
        return {f"told to wait for {error.metadata['act']}" if error.retry_after else "told nothing"}


def test_two_at_once_come_to_the_same_end(cell: Cell, at: Planting) -> None:
    expected = planting.alien_object(at) | planting.foreign_version_on_top(at) | planting.usage_changed(at)
    with cell.second_storage() as address, planting_in(cell, address) as other:
        run_id = verified(at)
        assert found(at, run_id) == found(other, run_id) == expected
        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(lambda one: repaired_or_refused(one, run_id), (at, other)))
        waits = "told to wait for repair_findings"
        assert {"done"} <= set().union(*outcomes) <= {"done", "outdated", waits}
        assert repaired(other, run_id) <= {"outdated"}, "nothing is left for whoever was told to wait"
    assert found(at, verified(at)) == set()
    moved = [key for key in quarantine(at).values() if key in {key for _, key in expected}]
    assert len(moved) == len(set(moved)) == 2


def test_neighbours_of_our_prefixes_are_somebody_elses(cell: Cell, at: Planting) -> None:
    names = ("uploads2", "upload", "uploads-old", "paths.bak", "projects_2", ".strongroom2", "Uploads")
    neighbours = [f"{name}/alien/{uuid.uuid4()}.bin" for name in names]
    placed = {key: at.put(key, b"of somebody else") for key in neighbours}
    expected = planting.alien_object(at)
    run_id = verified(at)
    assert found(at, run_id) == expected
    assert repaired(at, run_id) == {"done"}
    assert {key: at.versions(key) for key in neighbours} == {key: [one] for key, one in placed.items()}


def test_what_is_younger_than_the_grace_is_kept(cell: Cell, at: Planting) -> None:
    ((_, key),) = planting.alien_object(at)
    with cell.settings(STRONGROOM_VERIFY_GRACE_SECONDS="3600"):
        cell.kill("storage")
        cell.run()
        run_id = verified(at)
        assert found(at, run_id) == set()
        assert repaired(at, run_id) == set()
    assert at.versions(key)
    cell.kill("storage")
    cell.run()
    assert repaired(at, verified(at)) == {"done"}


@pytest.mark.parametrize("grace", ["-1", "soon", "nan", "inf"])
def test_a_bad_cutoff_is_refused(cell: Cell, grace: str) -> None:
    cell.stop_services()
    with cell.settings(STRONGROOM_VERIFY_GRACE_SECONDS=grace):
        cell.start()
        until("the service refuses to start", lambda: not cell.is_alive("storage"))
        assert cell.exit_code("storage") not in {0, None}
        assert "STRONGROOM_VERIFY_GRACE_SECONDS" in cell.log("storage")
    cell.stop_services()


@pytest.mark.parametrize("run_id", ["nonsense", str(uuid.UUID(int=7))])
def test_a_run_that_is_none_is_refused(at: Planting, run_id: str) -> None:
    with pytest.raises(StrongroomError):
        found(at, run_id)
    with pytest.raises(StrongroomError):
        repaired(at, run_id)
