"""Direct-to-S3 uploads on a real store."""

from __future__ import annotations

import httpx
import pytest

from strongroom.errors import (
    ChecksumMismatch,
    ContentTypeMismatch,
    SizeMismatch,
    UploadIncomplete,
    UploadLost,
)
from strongroom.storage.v1.direct_pb2 import (
    CompletedPart,
    CompleteUploadRequest,
    SignedPart,
    SignUploadRequest,
    SignUploadResponse,
)
from tests.faults.cell import Cell
from tests.faults.sessions.client import PART, SessionClient, body_of, same


def _put(part: SignedPart, body: bytes) -> str:
    with httpx.Client(trust_env=False, verify=False, timeout=120) as http:
        reply = http.put(part.url, content=body, headers=dict(part.headers))
    assert reply.status_code == 200, reply.text
    etag: str = reply.headers["etag"]
    return etag


def _sign(client: SessionClient, size: int, **spec: str) -> SignUploadResponse:
    signed: SignUploadResponse = client.call("SignUpload", SignUploadRequest(spec=client.spec(size, **spec)))
    return signed


def send_parts(signed: SignUploadResponse, body: bytes) -> list[CompletedPart]:
    return [
        CompletedPart(
            part_number=part.part_number, etag=_put(part, body[part.offset : part.offset + part.size_bytes])
        )
        for part in signed.parts
    ]


def _complete(client: SessionClient, upload_id: str, parts: list[CompletedPart]) -> str:
    done = client.call("CompleteUpload", CompleteUploadRequest(upload_id=upload_id, parts=parts))
    file_id: str = done.file.id
    return file_id


@pytest.mark.parametrize("size", [0, 1000, PART, 2 * PART + 77])
def test_parts_sent_straight_to_s3_become_a_file(cell: Cell, size: int) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(size)
    signed = _sign(client, size)
    parts = send_parts(signed, body)
    made = _complete(client, signed.upload_id, parts)
    assert _complete(client, signed.upload_id, parts) == made == _complete(client, signed.upload_id, [])
    with pytest.raises(ChecksumMismatch):
        _complete(
            client, signed.upload_id, [*parts[:-1], CompletedPart(part_number=len(parts), etag="0" * 32)]
        )
    found = client.get(signed.upload_id)
    assert found.file.id == made
    assert same(client.stored(found), body)


def test_more_parts_are_signed_on_request(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(3 * PART)
    request = SignUploadRequest(spec=client.spec(len(body)), part_count=1)
    first: SignUploadResponse = client.call("SignUpload", request)
    rest: SignUploadResponse = client.call(
        "SignUpload", SignUploadRequest(upload_id=first.upload_id, first_part=2)
    )
    assert [part.part_number for part in rest.parts] == [2, 3]
    with pytest.raises(UploadIncomplete):
        _complete(client, first.upload_id, send_parts(first, body))
    _complete(client, first.upload_id, [*send_parts(first, body), *send_parts(rest, body)])


def test_wrong_etags_sizes_and_types_are_refused(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(2 * PART)
    signed = _sign(client, len(body))
    parts = send_parts(signed, body)
    parts[1].etag = "0" * 32
    with pytest.raises(ChecksumMismatch):
        _complete(client, signed.upload_id, parts)
    picture = _sign(client, 1000, content_type="image/png")
    with pytest.raises(UploadIncomplete):
        _complete(client, picture.upload_id, [])
    send_parts(picture, body[:1000])
    with pytest.raises(ContentTypeMismatch):
        _complete(client, picture.upload_id, [])
    client.cancel(signed.upload_id)


def test_an_object_that_was_put_again_is_not_what_was_completed(cell: Cell) -> None:
    """The signed URL still works, but bytes sent late become another version, which is not reported as
    stored.
    """
    cell.run()
    client, body = SessionClient(cell), body_of(1000)
    signed = _sign(client, 1000)
    first = send_parts(signed, body)
    send_parts(signed, body[::-1])
    with pytest.raises(ChecksumMismatch):
        _complete(client, signed.upload_id, first)
    second = send_parts(signed, body)
    made = _complete(client, signed.upload_id, second)
    late = send_parts(signed, body[::-1])
    with pytest.raises(ChecksumMismatch):
        _complete(client, signed.upload_id, late)
    found = client.get(signed.upload_id)
    assert found.file.id == made
    assert same(client.stored(found), body)


def test_a_form_of_another_size_is_no_file(cell: Cell) -> None:
    cell.run()
    client = SessionClient(cell)
    signed = _sign(client, 1000)
    part = signed.parts[0]
    with httpx.Client(trust_env=False, verify=False, timeout=120) as http:
        http.put(part.url, content=b"x" * 999, headers={**part.headers, "content-length": "999"})
    with pytest.raises((UploadIncomplete, SizeMismatch)):
        _complete(client, signed.upload_id, [])
    client.cancel(signed.upload_id)


def test_parts_aborted_from_outside_are_lost(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(2 * PART)
    signed = _sign(client, len(body))
    parts = send_parts(signed, body)
    ours = [found for found in cell.checker.open_uploads() if client.owner in found[0]]
    cell.checker.abort_upload(*ours[0])
    with pytest.raises(UploadLost):
        _complete(client, signed.upload_id, parts)
    with pytest.raises(UploadLost):
        client.get(signed.upload_id)


def test_nothing_is_left_of_anybody(cell: Cell) -> None:
    cell.run()
    cell.checker.wait_drained()
    assert cell.checker.problems() == []
