"""The same request more than once: at once, afterwards, with other content, by another user (points X)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import LARGE, delete, new_upload, put, putting, read, repeat_until_stored
from tests.faults.s3_faults import drop_reply, hold

AT_ONCE = 32
CELL_ENV = {"STRONGROOM_UPLOAD_LEASE_SECONDS": "20"}  # no parallel request may lose its lease


def _clean(cell: Cell, *log: Upload) -> None:
    cell.checker.wait_drained()
    assert cell.checker.problems(*log) == []


def test_identical_requests_at_once(cell: Cell) -> None:
    cell.run()
    upload = new_upload("crowd")
    copies = [Upload(upload.owner, upload.request_id, upload.body) for _ in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda copy: put(cell, copy), copies))
    assert {answer.status for answer in answers} <= {201, 409}
    assert len({answer.key for answer in answers if answer.status == 201}) == 1
    refused = [answer for answer in answers if answer.status == 409]
    assert {answer.code for answer in refused} <= {"REQUEST_IN_PROGRESS"}
    assert all(int(answer.retry_after) >= 1 for answer in refused)
    _clean(cell, *copies)
    assert len(cell.checker.files(upload.owner, upload.request_id)) == 1


def test_same_key_for_another_request(cell: Cell) -> None:
    cell.run()
    upload = new_upload("changing-mind")
    key = put(cell, upload).key
    longer = Upload(upload.owner, upload.request_id, upload.body + b"!")
    other = Upload(upload.owner, upload.request_id, bytes(len(upload.body)))
    assert [put(cell, longer).status, put(cell, other).status] == [422, 422]
    assert read(cell, upload.owner, key) == (200, upload.body)
    _clean(cell, upload)


def test_repetition_after_the_commit(cell: Cell) -> None:
    cell.run()
    upload = new_upload("careful", LARGE)
    keys = {put(cell, upload).key for _ in range(3)}
    assert len(keys) == 1
    assert len([version for version in cell.checker.versions() if version[0] in keys]) == 1
    _clean(cell, upload)


def test_repetition_after_the_deletion(cell: Cell) -> None:
    cell.run()
    upload = new_upload("regretful")
    key = put(cell, upload).key
    assert delete(cell, upload.owner, key) == 200
    assert put(cell, upload).key == key
    upload.deleted = True
    assert read(cell, upload.owner, key)[0] == 404
    _clean(cell, upload)
    assert put(cell, upload).key == key
    _clean(cell, upload)


def test_repetition_while_the_first_is_running(cell: Cell) -> None:
    cell.run()
    upload = new_upload("impatient")
    again = Upload(upload.owner, upload.request_id, upload.body)
    rule = cell.s3.arm("PutObject", hold, key=f"/{upload.owner}/")
    with putting(cell, upload):
        rule.wait_reached()
        answer = put(cell, again)
        rule.release()
    assert (answer.status, answer.code) == (409, "REQUEST_IN_PROGRESS")
    assert int(answer.retry_after) >= 1
    assert repeat_until_stored(cell, again) == upload.acked != ""
    _clean(cell, upload, again)


def test_a_repeated_create_leaves_no_upload(cell: Cell) -> None:
    """The answer of CreateMultipartUpload is lost; the second try creates a second upload of the key."""
    cell.run()
    upload = new_upload("twice", LARGE)
    rule = cell.s3.arm("CreateMultipartUpload", drop_reply, key=f"/{upload.owner}/")
    assert put(cell, upload).status == 201
    rule.wait_reached()
    assert cell.s3.operations(f"/{upload.owner}/").count("CreateMultipartUpload") == 2
    cell.checker.wait_no_open_uploads()
    _clean(cell, upload)


def test_same_key_after_its_time(cell: Cell) -> None:
    """As in docs/consistency.md: forgotten, so a request with it is new, whatever its content."""
    cell.run()
    first = new_upload("forgetful")
    other = Upload(first.owner, first.request_id, first.body[::-1])
    key = put(cell, first).key
    cell.checker.execute("UPDATE idempotency_keys SET expires_at = now() WHERE owner_id = %s", first.owner)
    assert put(cell, other).key not in {key, ""}
    assert put(cell, other).key == other.acked
    assert put(cell, first).status == 422
    assert read(cell, first.owner, key) == (200, first.body)
    assert read(cell, first.owner, other.acked) == (200, other.body)
    cell.checker.wait_drained()
    assert cell.checker.problems() == []


def test_same_key_of_another_user(cell: Cell) -> None:
    cell.run()
    one, two = new_upload("first-user"), new_upload("second-user")
    two.request_id = one.request_id
    keys = {put(cell, one).key, put(cell, two).key}
    assert len(keys) == 2
    assert [read(cell, upload.owner, upload.acked) for upload in (one, two)] == [
        (200, one.body),
        (200, two.body),
    ]
    _clean(cell, one, two)
