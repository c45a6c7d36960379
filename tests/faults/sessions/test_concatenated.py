"""Partial uploads and their concatenation, on a real store."""

from __future__ import annotations

import pytest

from strongroom.errors import InvalidField, UploadIncomplete, UploadNotFound
from strongroom.storage.v1.upload_pb2 import ConcatenateUploadsRequest, ConcatenateUploadsResponse
from tests.faults.cell import Cell
from tests.faults.sessions.client import MIB, PART, SessionClient, body_of, same


def _piece(client: SessionClient, body: bytes) -> str:
    upload = client.create(len(body), partial=True).upload_id
    if body:
        assert client.write(upload, 0, body).persisted_size == len(body)
    found = client.get(upload)
    assert found.finished
    assert found.partial
    assert not found.HasField("file")
    return upload


def _join(client: SessionClient, pieces: list[str], **spec: str) -> ConcatenateUploadsResponse:
    whole = client.spec(None, **spec)
    request = ConcatenateUploadsRequest(spec=whole, upload_ids=pieces, annotation=b"final")
    made: ConcatenateUploadsResponse = client.call("ConcatenateUploads", request)
    return made


@pytest.mark.parametrize(
    "sizes", [(PART + 1, PART, 3), (MIB, 2 * MIB, 7 * MIB), (0, 0), (2 * PART,)], ids=str
)
def test_pieces_become_one_file(cell: Cell, sizes: tuple[int, ...]) -> None:
    cell.run()
    client = SessionClient(cell)
    bodies = [body_of(size, seed) for seed, size in enumerate(sizes)]
    pieces = [_piece(client, body) for body in bodies]
    made = _join(client, pieces, request_id="once")
    assert made.session.finished
    assert same(client.stored(made.session), b"".join(bodies))
    assert made.file.size_bytes == sum(sizes)
    again = _join(client, pieces, request_id="once")
    assert again.session.upload_id == made.session.upload_id
    assert client.get(made.session.upload_id).annotation == b"final"
    assert _join(client, pieces).file.id != made.file.id, "pieces may be used again"


def test_large_pieces_are_copied_inside_the_store(cell: Cell) -> None:
    cell.run()
    client = SessionClient(cell)
    pieces = [_piece(client, body_of(PART, seed)) for seed in (1, 2)]
    before = len(cell.s3.operations(f"{client.owner}/"))
    _join(client, pieces)
    operations = cell.s3.operations(f"{client.owner}/")[before:]
    assert operations.count("UploadPartCopy") == 2
    assert "UploadPart" not in operations


def test_unfinished_foreign_and_whole_uploads_are_refused(cell: Cell) -> None:
    cell.run()
    client, other = SessionClient(cell), SessionClient(cell)
    unfinished = client.create(5, partial=True).upload_id
    with pytest.raises(UploadIncomplete):
        _join(client, [unfinished])
    with pytest.raises(InvalidField):
        _join(client, [client.create(0).upload_id])
    with pytest.raises(UploadNotFound):
        _join(client, [_piece(other, b"theirs")])
    client.cancel(unfinished)


def test_a_cancelled_piece_is_gone(cell: Cell) -> None:
    cell.run()
    client = SessionClient(cell)
    piece = _piece(client, b"x" * 10)
    client.cancel(piece)
    with pytest.raises(UploadNotFound):
        client.get(piece)
