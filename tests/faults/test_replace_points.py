"""Replacements in one slot: the old content or the new one, never neither, never a mixture (points V)."""

from __future__ import annotations

import grpc

from strongroom.metadata.v1.file_pb2 import File
from strongroom.storage.v1.download_pb2 import DownloadRequest
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import SMALL, new_upload
from tests.faults.rpc import PNG, channel, picture_spec, send, send_until_stored, signed_in
from tests.faults.s3_faults import stall
from tests.stack import until

BIG = 3 << 20


def _picture(owner: str, name: str, size: int = SMALL) -> Upload:
    return Upload(owner, f"{name}-of-{owner}", PNG + new_upload(f"{name}-{owner}", size).body)


def _first(cell: Cell, owner: str, size: int = SMALL) -> tuple[Upload, File]:
    cell.run()
    old = _picture(owner, "old", size)
    file = send(cell, old, picture_spec(old.request_id))
    assert file is not None
    return old, file


def _replaced(cell: Cell, old: Upload, new: Upload, first: File) -> None:
    """The new content has replaced the old one under the same id; nothing is left of the old one."""
    old.deleted = True
    cell.checker.wait_drained()
    assert cell.checker.must_hold(new, "visible") == []
    assert cell.checker.problems(old) == []
    assert [file.id for file in cell.checker.files(new.owner, new.request_id)] == [first.id]
    assert cell.checker.content(first.key, first.version_id) is None


def test_metadata_dies_before_the_commit(cell: Cell) -> None:
    old, first = _first(cell, "before-t4")
    new = _picture(old.owner, "new")
    cell.run(metadata="metadata.t4.before_commit=kill")
    assert send(cell, new, picture_spec(new.request_id)) is None
    cell.wait_killed("metadata")
    cell.run()
    cell.checker.wait_drained()
    assert cell.checker.must_hold(old, "visible") == []
    assert cell.checker.must_hold(new, "hidden") == []
    send_until_stored(cell, new, picture_spec(new.request_id))
    _replaced(cell, old, new, first)


def test_metadata_dies_after_the_commit(cell: Cell) -> None:
    old, first = _first(cell, "after-t4")
    new = _picture(old.owner, "new")
    cell.run(metadata="metadata.t4.after_commit=kill")
    assert send(cell, new, picture_spec(new.request_id)) is None
    cell.wait_killed("metadata")
    assert [row.state for row in cell.checker.unsettled(old.owner)] == [4]
    cell.run()
    _replaced(cell, old, new, first)
    answer = send(cell, new, picture_spec(new.request_id))
    assert answer is not None
    assert answer.id == first.id


def test_the_cleaner_dies_before_the_old_object_goes(cell: Cell) -> None:
    old, first = _first(cell, "gc")
    new = _picture(old.owner, "new")
    cell.run(storage="storage.cleaner.before_delete=kill")
    assert send(cell, new, picture_spec(new.request_id)) is not None
    cell.wait_killed("storage")
    assert cell.checker.content(first.key, first.version_id) == old.body
    cell.run()
    _replaced(cell, old, new, first)


def test_a_reader_never_sees_a_splice(cell: Cell) -> None:
    """The old content is being read, stalls, is replaced and removed meanwhile, and the read continues."""
    old, first = _first(cell, "reader", BIG)
    new = _picture(old.owner, "new", BIG)
    rule = cell.s3.arm("GetObject", stall(BIG // 2), key=first.key)
    with channel(cell) as connection:
        messages = StorageServiceStub(connection).Download(
            DownloadRequest(file_id=first.id), metadata=signed_in(cell, old.owner), timeout=120
        )
        assert next(messages).file.etag == first.etag
        rule.wait_reached()
        assert send(cell, new, picture_spec(new.request_id)) is not None
        until("the old object is gone", lambda: cell.checker.content(first.key, first.version_id) is None)
        rule.release()
        received, code = b"", grpc.StatusCode.OK
        try:
            for message in messages:
                received += message.data
        except grpc.RpcError as error:
            code = error.code()
    assert received == old.body if code is grpc.StatusCode.OK else old.body.startswith(received)
    _replaced(cell, old, new, first)
