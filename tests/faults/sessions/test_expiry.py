"""Uploads idle for too long, by each protocol: 410, and nothing of them stays."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import pytest

from strongroom.errors import UploadExpired, UploadNotFound
from strongroom.storage.v1.direct_pb2 import CompleteUploadRequest, SignUploadRequest
from strongroom.storage.v1.upload_pb2 import ConcatenateUploadsRequest
from tests.faults.cell import Cell
from tests.faults.sessions.client import MIB, PART, SessionClient, body_of
from tests.faults.sessions.tus_client import TusClient, metadata
from tests.stack import until

EXPIRY = 8
CELL_ENV = {"STRONGROOM_UPLOAD_EXPIRY_SECONDS": str(EXPIRY)}
BODY = body_of(PART + 2 * MIB)


def test_over_tus(cell: Cell) -> None:
    cell.run()
    client = TusClient(cell)
    path = client.create(len(BODY) + 1, **{"Upload-Metadata": metadata(filename="a.bin")})
    before = time.time()
    reply = client.patch(path, 0, BODY)
    told = parsedate_to_datetime(reply.headers["upload-expires"]).timestamp()
    assert before - 1 <= told - EXPIRY <= time.time() + 1  # whole seconds
    until("it has expired", lambda: client.head(path).status_code == 410, pause=EXPIRY + 1)
    for gone in (client.head(path), client.patch(path, len(BODY), b"x"), client.request("DELETE", path, {})):
        assert gone.status_code == 410
        assert "upload-offset" not in gone.headers
    assert client.patch(path, len(BODY), b"x").json()["code"] == "UPLOAD_EXPIRED"
    assert client.request("GET", "/api/v1/uploads/" + path.rpartition("/")[2], {}).status_code == 410


def _kept_up(client: TusClient) -> bool:
    """Whether an upload lives for twice its time because it continues; False if the machine was too slow."""
    began = last = time.monotonic()
    path, offset = client.create(1000), 0
    while time.monotonic() - began < 2 * EXPIRY:
        status = client.patch(path, offset, b"x").status_code
        since, last = last, time.monotonic()
        if last - since > EXPIRY / 2:
            return False
        assert status == 204
        offset += 1
        time.sleep(EXPIRY / 8)
    assert client.offset(path) == offset
    return True


def test_activity_puts_it_off(cell: Cell) -> None:
    cell.run()
    until("an upload was gone on with in time", lambda: _kept_up(TusClient(cell)))


def test_over_grpc(cell: Cell) -> None:
    cell.run()
    client = SessionClient(cell)
    whole = client.create(len(BODY) + 1).upload_id
    client.write(whole, 0, BODY)
    pieces = [client.create(PART, partial=True).upload_id for _ in range(2)]
    for piece in pieces:
        client.write(piece, 0, BODY[:PART])
    signed = client.call("SignUpload", SignUploadRequest(spec=client.spec(2 * PART)))
    time.sleep(EXPIRY + 1)
    for upload in (whole, *pieces, signed.upload_id):
        with pytest.raises(UploadExpired):
            client.get(upload)
    with pytest.raises(UploadExpired):
        client.write(whole, len(BODY), b"x")
    with pytest.raises(UploadExpired):
        client.declare(whole, len(BODY) + 1)
    with pytest.raises(UploadExpired):
        client.cancel(whole)
    with pytest.raises(UploadExpired):
        client.call("ConcatenateUploads", ConcatenateUploadsRequest(spec=client.spec(), upload_ids=pieces))
    with pytest.raises(UploadExpired):
        client.call("CompleteUpload", CompleteUploadRequest(upload_id=signed.upload_id))
    with pytest.raises(UploadNotFound):
        SessionClient(cell).get(whole)


def test_a_finished_one_does_not_expire(cell: Cell) -> None:
    cell.run()
    client = SessionClient(cell)
    upload = client.create(3).upload_id
    file = client.write(upload, 0, b"abc").file
    time.sleep(EXPIRY + 1)
    assert client.get(upload).file.id == file.id


def test_nothing_is_left_of_anybody(cell: Cell) -> None:
    cell.run()
    cell.checker.wait_drained()
    cell.checker.wait_no_open_uploads()
    assert cell.checker.problems() == []
