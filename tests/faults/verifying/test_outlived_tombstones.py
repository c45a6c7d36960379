"""A request that reaches the store after its attempt's tombstone is gone (rule R5 excludes it): a
verification finds its leftovers and nothing else, and a repair removes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.faults.cell import Cell
from tests.faults.client import LARGE, SMALL, new_upload
from tests.faults.rpc import PNG, file_spec, picture_spec, send, send_and_cancel
from tests.faults.s3_faults import hold
from tests.faults.s3_proxy import Rule
from tests.faults.test_shared_keys import path_spec
from tests.faults.verifying.planting import Planting
from tests.faults.verifying.runs import found, planting_in, quarantine, repaired, verified

CELL_ENV: Final = {
    "STRONGROOM_VERIFY_GRACE_SECONDS": "0",
    "STRONGROOM_CLEANER_SWEEP_SECONDS": "3600",
    "STRONGROOM_TOMBSTONE_GRACE_SECONDS": "3600",
}
#: Owner, what is sent, which request is late, and the kind of its finding.
LATE: Final[tuple[tuple[str, Any, int, str, str], ...]] = (
    ("late-file", file_spec, SMALL, "PutObject", "object_orphaned"),
    ("late-picture", picture_spec, SMALL, "PutObject", "object_orphaned"),
    ("late-path", path_spec, SMALL, "PutObject", "foreign_version"),
    ("late-create", file_spec, LARGE, "CreateMultipartUpload", "upload_abandoned"),
    ("late-part", file_spec, LARGE, "UploadPart", ""),
    ("late-complete", file_spec, LARGE, "CompleteMultipartUpload", ""),
)
KINDS: Final = {owner: kind for owner, _, _, _, kind in LATE}


@pytest.fixture(scope="module")
def at(cell: Cell) -> Iterator[Planting]:
    with planting_in(cell) as made:
        yield made


def given_up(cell: Cell, owner: str, spec: UploadSpec, size: int, operation: str) -> Rule:
    """An upload cancelled by its client while the request is held."""
    rule = cell.s3.arm(operation, hold, key=f"/{owner}/")
    upload = new_upload(owner, size)
    upload.body = PNG + upload.body
    send_and_cancel(cell, upload, spec, rule.wait_reached)
    return rule


def owner_of(key: str) -> str:
    return next(owner for owner in KINDS if f"/{owner}/" in key)


def test_what_comes_after_its_tombstone_is_found_and_nothing_else(cell: Cell, at: Planting) -> None:
    before = new_upload("late-path")
    assert send(cell, before, path_spec("the-first")) is not None
    rules = {
        owner: given_up(cell, owner, spec(f"late-of-{owner}"), size, operation)
        for owner, spec, size, operation, _ in LATE
    }
    cell.checker.end_tombstones()
    assert cell.checker.problems() == []

    for rule in rules.values():
        rule.release()
    answers = {owner: rule.wait_applied() for owner, rule in rules.items()}
    assert {owner for owner, status in answers.items() if status == 200} == {
        owner for owner, kind in KINDS.items() if kind
    }, answers
    problems = cell.checker.problems()
    assert len(problems) == sum(map(bool, KINDS.values())), problems

    run_id = verified(at)
    seen = {(kind, owner_of(key)) for kind, key in found(at, run_id)}
    assert seen == {(kind, owner) for owner, kind in KINDS.items() if kind}
    assert repaired(at, run_id) == {"done"}
    assert cell.checker.problems() == []
    assert found(at, verified(at)) == set()
    assert {owner_of(key) for key in quarantine(at).values()} == {
        owner for owner, kind in KINDS.items() if kind in {"object_orphaned", "foreign_version"}
    }
    assert at.http("late-path").get(f"/api/v1/s3/file/{before.acked}").content == before.body
