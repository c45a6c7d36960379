"""Repeats of a request by its owner after a crash or an outage, with the default lease."""

from __future__ import annotations

import time

from metadata_service.config import Timing
from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import LARGE, new_upload, put, repeat_until_stored
from tests.faults.s3_faults import refuse
from tests.stack import until

#: The lease is the default. A cleaner that has failed pauses for an hour.
CELL_ENV = {
    "STRONGROOM_UPLOAD_LEASE_SECONDS": str(Timing().lease),
    "STRONGROOM_CLEANER_RETRY_SECONDS": "3600",
}
#: Far below the cleaner's pause of an hour, far above what a busy machine adds to the lease.
SECONDS = 60.0
COMPLETING = 2


def _repeated(cell: Cell, upload: Upload, since: float) -> None:
    key = repeat_until_stored(cell, upload)
    assert time.monotonic() - since < SECONDS
    assert put(cell, upload).key == key
    assert len(cell.checker.files(upload.owner, upload.request_id)) == 1


def test_storage_is_killed(cell: Cell) -> None:
    upload = new_upload("killed")
    cell.run(storage="storage.put.after=kill")
    put(cell, upload)
    cell.wait_killed("storage")
    killed = time.monotonic()
    cell.run()
    _repeated(cell, upload, killed)


def test_the_store_was_away_for_long(cell: Cell) -> None:
    """Each pass of the cleaner has failed, and the next one is an hour away."""
    upload = new_upload("patient", LARGE)
    cell.run(storage="storage.s3.before_complete=kill")
    put(cell, upload)
    cell.wait_killed("storage")
    cell.s3.arm("CompleteMultipartUpload", refuse(503, "SlowDown"), key=f"/{upload.owner}/", nth=None)
    cell.run()
    until(
        "the cleaner has failed and waits",
        lambda: cell.checker.query(
            "SELECT 1 FROM blobs WHERE owner_id = %s AND state = %s AND attempts > 0"
            " AND not_before > now() + interval '50 s'",
            upload.owner,
            COMPLETING,
        ),
    )
    cell.s3.disarm()
    _repeated(cell, upload, time.monotonic())
