"""Replicas of storage_service that share a verification: one dies during its part, one is frozen for longer
than its lease and wakes up. Each part is done once, no finding is lost or duplicated, and there is one
report.

Each replica has its own proxy in front of the store, so a held request tells whose part is held.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from devstack.environment import ALL, STORAGE
from strongroom.metadata.v1 import verification_pb2 as pb
from tests.faults.cell import Cell
from tests.faults.s3_faults import hold_reply
from tests.faults.s3_proxy import Rule, S3Proxy
from tests.faults.verifying import planting
from tests.faults.verifying.planting import Planting
from tests.faults.verifying.runs import admin, planting_in, repaired
from tests.stack import until

CELL_ENV: Final = {
    "STRONGROOM_VERIFY_GRACE_SECONDS": "0",
    "STRONGROOM_VERIFY_INTERVAL_SECONDS": "0",
    "STRONGROOM_CLEANER_SWEEP_SECONDS": "3600",
}
PLANTED: Final = (
    planting.alien_object,
    planting.foreign_version_on_top,
    planting.size_changed_in_files,
    planting.upload_without_a_row,
    planting.usage_changed,
    planting.delete_marker,
)
_PARTS: Final = {
    "ListObjectVersions": pb.VERIFICATION_STAGE_OBJECTS,
    "ListMultipartUploads": pb.VERIFICATION_STAGE_UPLOADS,
}
"""By the request with which each begins."""
_PART: Final = "SELECT epoch, counts FROM verification_shards WHERE verification_id = %s AND stage = %s"
"""Epochs begin at 1, and each claim raises them."""


@pytest.fixture(scope="module")
def at(cell: Cell) -> Iterator[Planting]:
    with planting_in(cell) as made:
        made.file()
        ended(made, begun(made))  # from now on the bucket names its installation
        yield made


@contextmanager
def replica(cell: Cell, run_id: str, name: str, operation: str) -> Iterator[tuple[Planting, Rule]]:
    """A replica that has claimed the part which begins with this request; all such requests are held."""
    role, before = ALL if cell.form == "one" else STORAGE, epoch(cell, run_id, operation)
    with S3Proxy(cell.store.endpoint) as store:
        held = store.arm(operation, hold_reply, nth=None)
        with (
            cell.second_storage(name=name, role=role, AWS_S3_ENDPOINT_URL=store.endpoint) as address,
            planting_in(cell, address) as asked,
        ):
            begun(asked)  # tells it about the run
            until("it has its part", lambda: epoch(cell, run_id, operation) > before)
            yield asked, held


def epoch(cell: Cell, run_id: str, operation: str) -> int:
    ((found, _),) = cell.checker.query(_PART, run_id, _PARTS[operation])
    return int(found)


def begun(at: Planting) -> str:
    with admin(at) as client:
        return client.verifications.start("heads")[0].id


def ended(at: Planting, run_id: str) -> Any:
    with admin(at) as client:
        until("the run has ended", lambda: client.verifications.get(run_id).state == "finished")
        return client.verifications.get(run_id)


def listed(at: Planting, run_id: str) -> list[tuple[str, str]]:
    """Each finding, as often as it is reported."""
    with admin(at) as client:
        return sorted((one.kind, one.key or one.owner_id) for one in client.verifications.findings(run_id))


def signed(at: Planting, run_id: str) -> tuple[bytes, bytes]:
    with admin(at) as client:
        run = client.verifications.get(run_id)
    assert run.report
    assert run.signature
    return run.report, run.signature


@pytest.mark.parametrize("back", ["while another one is at it", "when the run has ended"])
def test_one_dies_and_one_is_frozen_beyond_its_lease(cell: Cell, at: Planting, back: str) -> None:
    expected = sorted(set[tuple[str, str]]().union(*(plant(at) for plant in PLANTED)))
    planted = math.ceil(time.time())
    until("the second of the planting is over", lambda: time.time() >= planted)
    of_first = cell.s3.arm("ListObjectVersions", hold_reply, nth=None)
    run_id = begun(at)
    until("it has its part", lambda: epoch(cell, run_id, "ListObjectVersions") == 2)
    with replica(cell, run_id, "storage-2", "ListMultipartUploads"):
        pass  # it dies during its part
    cell.send("storage", signal.SIGSTOP)
    cell.wait_stopped("storage")
    cell.s3.retire(of_first)
    at.sql("UPDATE verification_shards SET free_at = now() WHERE done_at IS NULL")
    with replica(cell, run_id, "storage-3", "ListObjectVersions") as (third, of_third):
        if back == "while another one is at it":
            cell.send("storage", signal.SIGCONT)
            until("it goes on with another part", lambda: epoch(cell, run_id, "ListMultipartUploads") == 3)
            assert at.rows(_PART, run_id, pb.VERIFICATION_STAGE_OBJECTS) == [(3, b"")]
        of_third.release()
        run = ended(third, run_id)
        report = signed(third, run_id)
        assert listed(third, run_id) == expected
    cell.send("storage", signal.SIGCONT)
    again = ended(at, begun(at))  # this replica, now alone, has given up its part of the other run
    assert (again.counts, listed(at, again.id)) == (run.counts, expected)
    assert (signed(at, run_id), listed(at, run_id)) == (report, expected)
    assert {"done"} <= repaired(at, again.id) <= {"done", "outdated"}
