"""Signed requests of a direct upload may be used after its end. The objects that they store are removed."""

from __future__ import annotations

from strongroom.storage.v1.direct_pb2 import CompleteUploadRequest, SignUploadRequest
from tests.faults.cell import Cell
from tests.faults.sessions.client import SessionClient, body_of, same
from tests.faults.sessions.test_direct import send_parts
from tests.stack import until

BODY = body_of(1000)


def _versions(cell: Cell, client: SessionClient) -> list[str]:
    return [version for key, version, _ in cell.checker.versions() if client.owner in key]


def _let_signatures_expire(cell: Cell, client: SessionClient) -> None:
    """Make everything due now that is due when the signatures expire."""
    until(
        "a second look is planned",
        lambda: cell.checker.query(
            "UPDATE blobs SET not_before = now() WHERE kind = 4 AND owner_id = %s RETURNING key", client.owner
        ),
    )


def test_a_put_after_the_completion(cell: Cell) -> None:
    cell.run()
    client = SessionClient(cell)
    signed = client.call("SignUpload", SignUploadRequest(spec=client.spec(len(BODY))))
    send_parts(signed, BODY)
    client.call("CompleteUpload", CompleteUploadRequest(upload_id=signed.upload_id))
    cell.checker.wait_drained()
    (kept,) = _versions(cell, client)
    send_parts(signed, BODY)
    assert len(_versions(cell, client)) == 2
    _let_signatures_expire(cell, client)
    until("the late version is gone", lambda: _versions(cell, client) == [kept])
    assert same(client.stored(client.get(signed.upload_id)), BODY)


def test_a_put_after_the_cancellation(cell: Cell) -> None:
    cell.run()
    client = SessionClient(cell)
    signed = client.call("SignUpload", SignUploadRequest(spec=client.spec(len(BODY))))
    client.cancel(signed.upload_id)
    cell.checker.wait_drained()
    send_parts(signed, BODY)
    assert len(_versions(cell, client)) == 1
    _let_signatures_expire(cell, client)
    until("the late version is gone", lambda: _versions(cell, client) == [])
