"""Clients that leave at a chosen moment: inside the last part, at the end of a part, before the answer (U13,
U14, U31).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest

from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from tests.faults import rpc
from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import LARGE, PART, new_upload, put, repeat_until_stored
from tests.faults.cutting import form_head, form_tail
from tests.stack import until


def _stored_by_a_repetition(cell: Cell, upload: Upload) -> None:
    key = repeat_until_stored(cell, upload)
    assert put(cell, upload).key == key
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "visible") == []


@contextmanager
def _connected(cell: Cell) -> Iterator[socket.socket]:
    """A connection to the gateway; leaving resets it."""
    host, _, port = cell.url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port))) as sock:
        yield sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _wait_for_parts(cell: Cell, owner: str) -> None:
    """Wait until the first part is in S3."""
    until("a part is sent", lambda: "UploadPart" in cell.s3.operations(f"/{owner}/"))


def test_disconnect_in_the_last_part(cell: Cell) -> None:
    cell.run()
    upload = new_upload("gone-in-last-part", LARGE)
    with _connected(cell) as sock:
        sock.sendall(
            form_head(cell.token(upload.owner), upload.request_id, LARGE) + upload.body[: LARGE - 1000]
        )
        _wait_for_parts(cell, upload.owner)
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "hidden") == []
    _stored_by_a_repetition(cell, upload)


@pytest.mark.parametrize("way", ["cancel", "close"])
def test_cancel_at_a_part_boundary(cell: Cell, way: str) -> None:
    """Also if the client closes its side of the stream regularly: only finish_write says that the body is
    complete.
    """
    cell.run()
    upload = new_upload(f"{way}-at-boundary", 2 * PART)
    with rpc.channel(cell) as connection:
        call = StorageServiceStub(connection).Upload.future(
            rpc.messages(rpc.file_spec(upload.request_id), upload.body, finish=False),
            metadata=rpc.signed_in(cell, upload.owner),
        )
        _wait_for_parts(cell, upload.owner)
        if way == "cancel":
            call.cancel()
        else:
            error = call.exception()
            assert isinstance(error, grpc.RpcError)
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "hidden") == []

    first, second = (rpc.send(cell, upload, rpc.file_spec(upload.request_id)) for _ in range(2))
    assert first is not None
    assert first == second
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "visible") == []


def test_the_answer_is_lost(cell: Cell) -> None:
    cell.run()
    upload = new_upload("deaf", LARGE)
    with _connected(cell) as sock:
        head = form_head(cell.token(upload.owner), upload.request_id, LARGE)
        sock.sendall(head + upload.body + form_tail())
        until("the file is there", lambda: cell.checker.files(upload.owner, upload.request_id))
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "visible") == []
    _stored_by_a_repetition(cell, upload)
