"""32 parallel uploads to a store that hangs until the byte budget is used up."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import google_crc32c
import pytest

from benchmarks.processes import forget_peak, peak_mib
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.file_pb2 import File
from tests.faults.cell import Cell
from tests.faults.s3_faults import hold
from tests.faults.s3_proxy import Rule
from tests.faults.sessions.client import MIB, PART, TRANSIENT, SessionClient, same
from tests.stack import until

UPLOADS: Final = 32
BUDGET_MIB: Final = 32
SIZE: Final = PART + MIB // 16
#: Beside the budget: for each stream one waiting message and one being decoded.
BESIDE_MIB: Final = 2 * UPLOADS
CELL_ENV: Final = {"STRONGROOM_UPLOAD_MEMORY_BYTES": str(BUDGET_MIB * MIB)}
_BYTES: Final = random.Random(1).randbytes(SIZE + UPLOADS)


def _body(number: int) -> bytes:
    """A different body for each upload."""
    return _BYTES[number : number + SIZE]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(UPLOADS) as pool:
        yield pool


def test_many_uploads_at_once_stay_inside_the_budget(cell: Cell, threads: ThreadPoolExecutor) -> None:
    cell.run()
    client = SessionClient(cell)
    uploads = list(threads.map(lambda _: client.create(SIZE).upload_id, range(UPLOADS)))
    storage = cell.pid("storage")
    forget_peak(storage)
    before = peak_mib(storage)
    parts = cell.s3.arm("UploadPart", hold, nth=None)

    def write(number: int) -> File:
        body = _body(number)
        try:
            return client.write(uploads[number], 0, body).file
        except StrongroomError as error:  # a slow machine: held for longer than the wait for a store
            if error.code not in TRANSIENT:
                raise
            return client.finish_somehow(uploads[number], body).file

    writing = [threads.submit(write, number) for number in range(UPLOADS)]
    _wait_stalled(parts)
    full = peak_mib(storage) - before
    parts.release()
    files = [future.result() for future in writing]
    grown = peak_mib(storage) - before
    sums = [google_crc32c.value(_body(number)) for number in range(UPLOADS)]
    assert [file.crc32c for file in files] == sums
    for number in (0, UPLOADS - 1):
        assert same(client.stored(client.get(uploads[number])), _body(number))
    assert parts.hits >= UPLOADS
    assert full > BUDGET_MIB / 2, "the budget was never near its end: this shows nothing"
    assert UPLOADS * SIZE > (BUDGET_MIB + BESIDE_MIB) * MIB, "without a budget this would hold as well"
    assert grown < BUDGET_MIB + BESIDE_MIB, f"{before:.0f} MiB grew by {grown:.0f} MiB"


def _wait_stalled(parts: Rule) -> None:
    """Wait until no further part arrives: the store holds everything that the budget admits."""
    seen, since = -1, time.monotonic()

    def stalled() -> bool:
        nonlocal seen, since
        if parts.hits != seen:
            seen, since = parts.hits, time.monotonic()
        return seen > 0 and time.monotonic() - since > 1.5

    until("the uploads are stalled", stalled)
