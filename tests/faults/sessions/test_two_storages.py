"""An upload that goes on through another storage_service: what that one tells holds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from threading import Event
from typing import Any

import grpc

from strongroom.errors import from_rpc_error
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import UploadRequest
from tests.faults.cell import Cell
from tests.faults.rpc import OPTIONS, signed_in
from tests.faults.sessions.client import SessionClient, body_of, same
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


def epochs(cell: Cell, owner: str) -> int:
    """Grows whenever somebody becomes the writer of an upload of the owner's."""
    return int(cell.checker.query("SELECT sum(epoch) FROM blobs WHERE owner_id = %s", owner)[0][0])


def later(cell: Cell, owner: str, epoch: int) -> bool:
    return epochs(cell, owner) > epoch


def test_the_offset_is_true_and_the_next_write_is_taken(cell: Cell) -> None:
    cell.run()
    here = SessionClient(cell)
    with cell.second_storage() as address, grpc.insecure_channel(cell.storage_address) as first:
        there = Elsewhere(cell, here.owner)
        there.address = address
        for number in range(TIMES):
            body = body_of(SIZE, number)
            upload = here.create(SIZE).upload_id
            here.write(upload, 0, body[:1000])
            go_on, epoch = Event(), epochs(cell, here.owner)

            def stream(upload: str, body: bytes, go_on: Event) -> Iterator[UploadRequest]:
                yield UploadRequest(upload_id=upload, write_offset=1000, data=body[1000:50_000])
                go_on.wait(PATIENCE)
                yield UploadRequest(write_offset=50_000, data=body[50_000:60_000])

            answer = StorageServiceStub(first).Upload.future(
                stream(upload, body, go_on), metadata=signed_in(cell, here.owner), timeout=PATIENCE
            )
            # Sent is not begun: a stream that begins later would be the newer writer.
            until("the stream is the writer", partial(later, cell, here.owner, epoch))
            told = there.get(upload, preempt=True).persisted_size
            go_on.set()
            there.write(upload, told, body[told : told + 70_000])
            assert answer.exception() is not None
            finished = there.finish_somehow(upload, body)
            assert same(there.stored(finished), body)
    cell.checker.wait_drained()
    assert cell.checker.problems() == []
