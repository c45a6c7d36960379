"""Deletions: killed around their commit, with a lost answer, concurrent with a replacement (points D01, D02,
D07, D08).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc

from strongroom.storage.v1.batch_pb2 import DeleteFileRequest
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import SMALL, delete, new_upload, put, read
from tests.faults.rpc import PNG, channel, picture_spec, send, signed_in

ROUNDS = 8


def _stored(cell: Cell, owner: str) -> Upload:
    upload = new_upload(owner)
    cell.run()
    assert put(cell, upload).status == 201
    return upload


def _gone_for_good(cell: Cell, upload: Upload) -> None:
    upload.deleted = True
    cell.run()
    assert delete(cell, upload.owner, upload.acked) == 404
    cell.checker.wait_drained()
    assert cell.checker.problems(upload) == []
    assert cell.checker.content(upload.acked, "") is None


def test_metadata_dies_before_the_commit(cell: Cell) -> None:
    upload = _stored(cell, "before-d1")
    cell.run(metadata="metadata.d1.before_commit=kill")
    assert delete(cell, upload.owner, upload.acked) in (0, 503)
    cell.wait_killed("metadata")
    cell.run()
    cell.checker.wait_drained()
    assert cell.checker.must_hold(upload, "visible") == []
    assert delete(cell, upload.owner, upload.acked) == 200
    _gone_for_good(cell, upload)


def test_metadata_dies_after_the_commit(cell: Cell) -> None:
    upload = _stored(cell, "after-d1")
    cell.run(metadata="metadata.d1.after_commit=kill")
    assert delete(cell, upload.owner, upload.acked) in (0, 503)
    cell.wait_killed("metadata")
    _gone_for_good(cell, upload)


def test_the_answer_is_lost(cell: Cell) -> None:
    upload, bystander = _stored(cell, "deaf"), _stored(cell, "bystander")
    cell.run(gateway="gateway.delete.before_reply=kill")
    assert delete(cell, upload.owner, upload.acked) == 0
    cell.wait_killed("gateway")
    _gone_for_good(cell, upload)
    assert cell.checker.must_hold(bystander, "visible") == []


def test_what_others_delete_does_not_go(cell: Cell) -> None:
    upload = _stored(cell, "victim")
    assert delete(cell, "somebody-else", upload.acked) == 404
    assert read(cell, upload.owner, upload.acked) == (200, upload.body)


def test_a_deletion_meets_a_replacement(cell: Cell) -> None:
    """Both of one slot at once: the outcome is that of one order or the other, and nothing is left of the
    loser.
    """
    cell.run()
    owner = "racer"
    outcomes = set()
    for number in range(ROUNDS):
        old, new = (_picture(owner, f"{name}-{number}") for name in ("old", "new"))
        first = send(cell, old, picture_spec(old.request_id))
        assert first is not None
        with ThreadPoolExecutor(2) as pool:
            replacing = pool.submit(send, cell, new, picture_spec(new.request_id))
            deleting = pool.submit(_delete_picture, cell, owner, first.id)
            second, deleted = replacing.result(), deleting.result()
        assert second is not None
        visible = [file.id for file in cell.checker.files(owner, new.request_id)]
        # deleted first: the picture is a new file; replaced first: it kept its id, and is gone
        assert visible == ([] if deleted and second.id == first.id else [second.id])
        outcomes.add((deleted, bool(visible)))
        if visible:
            assert _delete_picture(cell, owner, second.id)
        assert cell.checker.query("SELECT id FROM files WHERE owner_id = %s", owner) == []
    assert outcomes
    cell.checker.wait_drained()
    assert cell.checker.problems() == []


def _picture(owner: str, request_id: str) -> Upload:
    return Upload(owner, request_id, PNG + new_upload(request_id, SMALL).body)


def _delete_picture(cell: Cell, owner: str, file_id: str) -> bool:
    """Whether the deletion was done; False if the file did not exist."""
    with channel(cell) as connection:
        try:
            StorageServiceStub(connection).DeleteFile(
                DeleteFileRequest(file_id=file_id), metadata=signed_in(cell, owner), timeout=60
            )
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return False
    return True
