"""The sweep of open multipart uploads, and the one upload that it must never abort."""

from __future__ import annotations

from tests.faults.cell import Cell
from tests.faults.client import LARGE, new_upload, put, read
from tests.faults.s3_faults import edit_reply
from tests.faults.s3_proxy import Fault
from tests.faults.s3_wire import Reply
from tests.stack import until

CELL_ENV = {"STRONGROOM_CLEANER_SWEEP_SECONDS": "0.5"}
SWEEPS = 3


def _still_listed(key: str, upload_id: str) -> Fault:
    """Swift's listing after it died between writing an upload's manifest and removing its marker: the object
    exists, and so does the upload with its parts.
    """
    entry = (
        f"<Upload><Key>{key}</Key><UploadId>{upload_id}</UploadId>"
        "<Initiated>2026-01-01T00:00:00.000Z</Initiated></Upload>"
    ).encode()
    end = b"</ListMultipartUploadsResult>"
    return edit_reply(lambda reply: Reply(reply.head, reply.body.replace(end, entry + end)))


def _sweep_often(cell: Cell) -> None:
    """Wait until the open uploads have been listed a few more times."""

    def listed() -> int:
        return [operation for operation, _ in cell.s3.seen].count("ListMultipartUploads")

    before = listed()
    until("sweeps have passed", lambda: listed() >= before + SWEEPS)


def test_a_completed_upload_that_is_still_listed_keeps_its_parts(cell: Cell) -> None:
    cell.run()
    upload = new_upload("half-completed", LARGE)
    assert put(cell, upload).status == 201
    rows = cell.checker.query("SELECT upload_id FROM blobs WHERE owner_id = %s", upload.owner)
    cell.s3.arm("ListMultipartUploads", _still_listed(upload.acked, rows[0].upload_id), nth=None)
    _sweep_often(cell)
    assert "ListParts" in cell.s3.operations(upload.acked)
    assert "AbortMultipartUpload" not in cell.s3.operations(upload.acked)
    assert read(cell, upload.owner, upload.acked) == (200, upload.body)


def test_an_upload_without_a_row_is_not_ours(cell: Cell) -> None:
    """The bucket may contain other things."""
    cell.run()
    stranger = cell.checker.begin_upload("somebody-elses/thing.bin")
    _sweep_often(cell)
    assert ("somebody-elses/thing.bin", stranger) in cell.checker.open_uploads()


def test_a_create_that_arrives_after_the_commit_is_swept(cell: Cell) -> None:
    cell.run()
    upload = new_upload("straggler", LARGE)
    assert put(cell, upload).status == 201
    late = cell.checker.begin_upload(upload.acked)
    until("the late upload is aborted", lambda: (upload.acked, late) not in cell.checker.open_uploads())
    assert cell.checker.must_hold(upload, "visible") == []
