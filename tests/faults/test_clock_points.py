"""A process whose clock is an hour off, and servers frozen in the middle of a step (points Z06 to Z09)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.faults.cell import Cell, Service
from tests.faults.checker import Upload
from tests.faults.client import LARGE, SMALL, new_upload, put, putting, repeat_until_stored
from tests.faults.s3_faults import hold
from tests.stack import answers, until

OWN_POSTGRES = True
CELL_ENV = {"STRONGROOM_DATABASE_STATEMENT_SECONDS": "1"}
HOUR = 3600.0


def ends_well(cell: Cell, upload: Upload) -> None:
    """The file exists once or not at all; and once after a repeat."""
    cell.run()
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "either") == []
    key = repeat_until_stored(cell, upload)
    assert put(cell, upload).key == key
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "visible") == []


@pytest.mark.parametrize("ahead", [HOUR, -HOUR], ids=["ahead", "behind"])
@pytest.mark.parametrize("service", ["metadata", "storage"])
def test_a_clock_that_is_an_hour_off(cell: Cell, service: Service, ahead: float) -> None:
    cell.run()
    upload = new_upload(f"clock-of-{service}-{ahead:.0f}", LARGE)
    with cell.clock(service, ahead):
        cell.start()
        until("it serves", lambda: answers(f"{cell.url}/livez") and put(cell, upload).status)
        assert put(cell, upload).status in {201, 409, 503}
        assert 401 not in upload.replies
    ends_well(cell, upload)


def test_metadata_is_frozen_in_t4(cell: Cell) -> None:
    """Longer than Postgres allows for a transaction: when it wakes up, its transaction has been aborted."""
    upload = new_upload("frozen-in-t4", SMALL)
    cell.run(metadata="metadata.t4.before_commit=stop@1")
    with putting(cell, upload):
        cell.wait_stopped("metadata")
        until("Postgres has ended its transaction", lambda: not transactions(cell))
        cell.send("metadata", signal.SIGCONT)
    assert upload.replies[0] in {201, 409, 503, 504}
    ends_well(cell, upload)


def transactions(cell: Cell) -> list[object]:
    """Transactions that wait for their client."""
    return cell.checker.query(
        "SELECT pid FROM pg_stat_activity"
        " WHERE state LIKE 'idle in transaction%%' AND datname = current_database()"
    )


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A server with all of its processes."""
    server = psutil.Process(pid)
    whole = [server, *server.children(recursive=True)]
    for process in whole:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in whole:
            os.kill(process.pid, signal.SIGCONT)


def test_postgres_is_frozen(cell: Cell) -> None:
    cell.run()
    uploads = [new_upload(f"frozen-postgres-{number}", size) for number, size in enumerate((SMALL, LARGE))]
    rule = cell.s3.arm("UploadPart", hold, key=f"/{uploads[1].owner}/")
    with putting(cell, uploads[1]):
        rule.wait_reached()
        with frozen(cell.postgres_pid()):
            rule.release()
            assert put(cell, uploads[0]).status == 503
            until("the other one has its answer", lambda: uploads[1].replies)
    assert uploads[1].replies[0] in {503, 504}
    for upload in uploads:
        ends_well(cell, upload)


def test_the_store_is_frozen_in_complete(cell: Cell) -> None:
    """Requests that it had received are processed when it wakes up."""
    cell.run()
    upload = new_upload("frozen-store", LARGE)
    rule = cell.s3.arm("CompleteMultipartUpload", hold, nth=None)
    with putting(cell, upload):
        rule.wait_reached()
        cell.s3.arm("*", hold, nth=None)
        until("the client has its answer", lambda: upload.replies)
    assert upload.replies[0] in {503, 504}
    cell.s3.disarm()
    ends_well(cell, upload)


def test_nothing_is_left_of_anybody(cell: Cell) -> None:
    cell.run()
    cell.checker.wait_drained()
    assert cell.checker.problems() == []
