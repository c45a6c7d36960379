"""An upload that continues at another storage_service, whose answers are the valid ones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from threading import Event
from typing import Any

import grpc
import pytest

from strongroom.errors import StrongroomError, from_rpc_error
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import UploadRequest
from tests.faults.cell import Cell
from tests.faults.rpc import OPTIONS, signed_in
from tests.faults.s3_faults import hold
from tests.faults.sessions.client import PART, SessionClient, body_of, same
from tests.stack import PATIENCE, until

TIMES = 6
SIZE = 200_000


class Elsewhere(SessionClient):
    """The same calls to the storage_service at ``address``."""

    address = ""

    def call(self, method: str, request: Any) -> Any:
        """One RPC. Raises the StrongroomError of its answer."""
        with grpc.insecure_channel(self.address, options=OPTIONS) as connection:
            call = getattr(StorageServiceStub(connection), method)
            try:
                return call(request, timeout=PATIENCE, metadata=signed_in(self.cell, self.owner))
            except grpc.RpcError as error:
                raise from_rpc_error(error) from error


def elsewhere(cell: Cell, here: SessionClient, address: str) -> Elsewhere:
    there = Elsewhere(cell, here.owner)
    there.address = address
    return there


def epoch_of(cell: Cell, upload: str) -> int:
    """Raised whenever a new writer takes the upload."""
    found = cell.checker.query(
        "SELECT epoch FROM blobs JOIN upload_sessions AS sessions ON sessions.owner_id = blobs.owner_id"
        " AND sessions.blob_id = blobs.id WHERE sessions.upload_id = %s",
        upload,
    )
    return int(found[0].epoch)


def has_begun(answer: Any, cell: Cell, upload: str, epoch: int) -> bool:
    """Whether the stream is the writer. If it has already ended, raises its error."""
    begun = epoch_of(cell, upload) > epoch
    assert begun or not answer.done(), answer.exception()
    return begun


def test_the_offset_is_true_and_the_next_write_is_taken(cell: Cell) -> None:
    cell.run()
    here = SessionClient(cell)
    with cell.second_storage() as address, grpc.insecure_channel(cell.storage_address) as first:
        there = elsewhere(cell, here, address)
        for number in range(TIMES):
            body = body_of(SIZE, number)
            upload = here.create(SIZE).upload_id
            there.write(upload, 0, body[:1000])  # so that nothing is cached where the stream goes
            go_on, epoch = Event(), epoch_of(cell, upload)

            def stream(upload: str, body: bytes, go_on: Event) -> Iterator[UploadRequest]:
                yield UploadRequest(upload_id=upload, write_offset=1000, data=body[1000:50_000])
                go_on.wait(PATIENCE)
                yield UploadRequest(write_offset=50_000, data=body[50_000:60_000])

            answer = StorageServiceStub(first).Upload.future(
                stream(upload, body, go_on), metadata=signed_in(cell, here.owner), timeout=PATIENCE
            )
            # Sent is not begun: a stream that begins later would be the newer writer.
            until("the stream is the writer", partial(has_begun, answer, cell, upload, epoch))
            told = there.get(upload, preempt=True).persisted_size
            go_on.set()
            there.write(upload, told, body[told : told + 70_000])
            assert answer.exception() is not None
            finished = there.finish_somehow(upload, body)
            assert same(there.stored(finished), body)


@pytest.mark.parametrize("operation", ["CreateMultipartUpload", "UploadPart", "PutObject"])
def test_a_remembered_session_is_shut_out_as_well(cell: Cell, operation: str) -> None:
    cell.run()
    size = 2 * PART if operation != "PutObject" else SIZE
    body = body_of(size)
    here = SessionClient(cell)
    with cell.second_storage() as address:
        there = elsewhere(cell, here, address)
        upload = here.create(size).upload_id
        assert here.write(upload, 0, body[:1000]).persisted_size == 1000
        rule = cell.s3.arm(operation, hold, nth=None)
        slow = here.start_write(upload, 1000, body[1000 : size - 9])
        rule.wait_reached()  # it continues where the first write has ended, and has recorded nothing yet
        told = there.get(upload, preempt=True).persisted_size
        assert told == 1000
        cell.s3.retire(rule)
        with pytest.raises(StrongroomError):
            slow.result()
        assert there.get(upload).persisted_size == told, "what was told holds"
        there.write(upload, told, body[told:])
        assert same(there.stored(there.get_settled(upload)), body)


def test_a_remembered_session_goes_on_after_another_was_asked(cell: Cell) -> None:
    cell.run()
    body = body_of(SIZE)
    here = SessionClient(cell)
    with cell.second_storage() as address:
        there = elsewhere(cell, here, address)
        upload = here.create(SIZE).upload_id
        for offset in range(0, SIZE, SIZE // 4):
            here.write(upload, offset, body[offset : offset + SIZE // 4])
            told = there.get(upload, preempt=True)
            assert told.finished or told.persisted_size == offset + SIZE // 4
        assert same(here.stored(here.get(upload)), body)


def test_nothing_is_left_of_anybody(cell: Cell) -> None:
    cell.run()
    cell.checker.wait_drained()
    cell.checker.wait_no_open_uploads()
    assert cell.checker.problems() == []
