"""Seven ways in which known implementations lose or corrupt resumable uploads (docs/resumable.md)."""

from __future__ import annotations

import pytest

from strongroom.errors import StrongroomError, UploadLost, UploadNotFound
from tests.faults.cell import Cell
from tests.faults.s3_faults import flip_bit, hold, refuse
from tests.faults.s3_proxy import Exchange, Rule
from tests.faults.sessions.client import MIB, PART, SessionClient, body_of, same


async def _refuse_part_two(exchange: Exchange, rule: Rule) -> None:
    """Refuses only that part: those before and after it are stored."""
    if "partNumber=2&" in exchange.request.head.line:
        await refuse(500, "InternalError")(exchange, rule)
    else:
        await exchange.relay()


def test_1_a_failed_part_among_parallel_ones_leaves_no_hole(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(4 * PART + 7)
    upload = client.create(len(body)).upload_id
    rule = cell.s3.arm("UploadPart", _refuse_part_two, nth=None)
    with pytest.raises(StrongroomError):
        client.write(upload, 0, body)
    assert rule.hits > 0
    found = client.get(upload)
    assert found.persisted_size == PART, "what lies behind the failed part counts for nothing"
    cell.s3.disarm()
    finished = client.finish_somehow(upload, body)
    assert same(client.stored(finished), body)


@pytest.mark.parametrize("operation", ["PutObject", "UploadPart"])
def test_2_a_store_that_fails_costs_no_acknowledged_byte(cell: Cell, operation: str) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(2 * PART + 5)
    upload = client.create(len(body)).upload_id
    assert client.write(upload, 0, body[: 3 * MIB]).persisted_size == 3 * MIB
    cell.s3.arm(operation, refuse(500, "InternalError"), nth=None)
    end = 4 * MIB if operation == "PutObject" else 7 * MIB
    with pytest.raises(StrongroomError):
        client.write(upload, 3 * MIB, body[3 * MIB : end])
    assert client.get(upload).persisted_size == 3 * MIB
    cell.s3.disarm()
    finished = client.finish_somehow(upload, body)
    assert same(client.stored(finished), body)


@pytest.mark.parametrize("point", ["segment.after_put", "before_record", "segment.before_put"])
def test_2_a_kill_while_a_remainder_is_stored_costs_no_acknowledged_byte(cell: Cell, point: str) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(2 * PART + 5)
    upload = client.create(len(body)).upload_id
    assert client.write(upload, 0, body[: 3 * MIB]).persisted_size == 3 * MIB
    cell.run(storage=f"storage.session.{point}=kill")
    with pytest.raises(StrongroomError):
        client.write(upload, 3 * MIB, body[3 * MIB : 4 * MIB])
    cell.wait_killed("storage")
    cell.run()
    assert client.get(upload).persisted_size == 3 * MIB
    finished = client.finish_somehow(upload, body)
    assert same(client.stored(finished), body)


def test_3_a_failed_completion_is_never_success(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(2 * PART + 5)
    upload = client.create(len(body)).upload_id
    cell.s3.arm("CompleteMultipartUpload", refuse(500, "InternalError"), nth=None)
    with pytest.raises(StrongroomError) as failed:
        client.write(upload, 0, body)
    assert failed.value.http_status == 503
    with pytest.raises(StrongroomError) as asked:
        client.get(upload)
    assert asked.value.http_status == 503
    cell.s3.disarm()
    finished = client.get_settled(upload)
    assert finished.finished
    assert same(client.stored(finished), body)


def test_4_an_upload_aborted_from_outside_is_lost_and_says_so(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(3 * PART)
    upload = client.create(len(body)).upload_id
    client.write(upload, 0, body[: PART + MIB])
    ours = [found for found in cell.checker.open_uploads() if client.owner in found[0]]
    assert len(ours) == 1
    cell.checker.abort_upload(*ours[0])
    with pytest.raises(UploadLost):
        client.write(upload, PART + MIB, body[PART + MIB :])
    with pytest.raises(UploadLost):
        client.get(upload)
    with pytest.raises(UploadLost):
        client.write(upload, 0, body)


def test_4_aborted_after_the_last_part_it_is_not_complete(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(2 * PART)
    upload = client.create(len(body)).upload_id
    cell.s3.arm("CompleteMultipartUpload", refuse(500, "InternalError"), nth=None)
    with pytest.raises(StrongroomError):
        client.write(upload, 0, body)
    ours = [found for found in cell.checker.open_uploads() if client.owner in found[0]]
    cell.checker.abort_upload(*ours[0])
    cell.s3.disarm()
    with pytest.raises(UploadLost):
        client.get_settled(upload)


def test_5_zero_bytes_make_an_object(cell: Cell) -> None:
    cell.run()
    client = SessionClient(cell)
    made = client.create(0)
    assert made.finished
    assert client.stored(made) == b""
    assert client.get(made.upload_id).file == made.file


def test_5_zero_bytes_of_deferred_length_make_an_object(cell: Cell) -> None:
    cell.run()
    client = SessionClient(cell)
    upload = client.create().upload_id
    assert client.stored(client.declare(upload, 0)) == b""


@pytest.mark.parametrize("size", [3 * MIB, PART + 3 * MIB])
def test_6_a_deleted_upload_leaves_nothing(cell: Cell, size: int) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(2 * PART)
    upload = client.create(len(body)).upload_id
    client.write(upload, 0, body[:size])
    client.cancel(upload)
    with pytest.raises(UploadNotFound):
        client.cancel(upload)
    with pytest.raises(UploadNotFound):
        client.get(upload)


def test_6_a_deleted_finished_upload_leaves_nothing(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(PART + 9)
    upload = client.create(len(body)).upload_id
    client.write(upload, 0, body[: 2 * MIB])
    client.finish_somehow(upload, body)
    client.cancel(upload)
    with pytest.raises(UploadNotFound):
        client.get(upload)


def test_7_part_boundaries_do_not_follow_the_requests(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(4 * PART)
    upload = client.create(len(body)).upload_id
    for offset in range(0, len(body), MIB):
        client.write(upload, offset, body[offset : offset + MIB])
    finished = client.get(upload)
    assert same(client.stored(finished), body)
    assert len(cell.s3.operations(finished.file.key.rpartition("/")[2])) == 1 + 4 + 1 + 1
    assert cell.s3.operations(f"{client.owner}/").count("UploadPart") == 4


def test_a_store_that_hangs_does_not_keep_a_newcomer_waiting(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(2 * PART)
    upload = client.create(len(body)).upload_id
    assert client.write(upload, 0, body[:MIB]).persisted_size == MIB
    rule = cell.s3.arm("UploadPart", hold, nth=None)  # every try: a single one would be given up and repeated
    stuck = client.start_write(upload, MIB, body[MIB : PART + MIB])
    rule.wait_reached()
    found = client.get(upload, preempt=True)
    assert found.persisted_size == MIB
    rule.release()
    finished = client.finish_somehow(upload, body)
    with pytest.raises(StrongroomError):
        stuck.result()
    assert same(client.stored(finished), body)


def test_a_segment_that_stays_damaged_ends_the_upload(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(MIB)
    upload = client.create(len(body)).upload_id
    client.write(upload, 0, body[:1000])
    cell.kill("storage")  # and with it the bytes still in memory
    cell.run()
    cell.s3.arm("GetObject", flip_bit(-1), key="segments/", nth=None)
    with pytest.raises(UploadLost):
        client.write(upload, 1000, body[1000:])
    for preempt in (False, True):
        with pytest.raises(UploadLost):
            client.get(upload, preempt=preempt)
    with pytest.raises(UploadLost):
        client.write(upload, 1000, body[1000:])


def test_a_segment_that_is_damaged_behind_bytes_at_hand_is_not_read(cell: Cell) -> None:
    cell.run()
    client, body = SessionClient(cell), body_of(MIB)
    upload = client.create(len(body)).upload_id
    client.write(upload, 0, body[:1000])
    rule = cell.s3.arm("GetObject", flip_bit(-1), key="segments/", nth=None)
    try:
        client.write(upload, 1000, body[1000:])
    except UploadLost:
        assert rule.hits > 0  # five seconds had passed: nothing was in memory any more
        return
    finished = client.get(upload)
    assert finished.finished
    assert same(client.stored(finished), body)


def test_nothing_is_left_of_anybody(cell: Cell) -> None:
    cell.run()
    cell.checker.wait_drained()
    cell.checker.wait_no_open_uploads()
    assert cell.checker.problems() == []
