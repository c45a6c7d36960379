"""A write that continues at the previous write's epoch without asking."""

from __future__ import annotations

import pytest

from strongroom.errors import StrongroomError, UploadExpired, UploadNotFound, UploadSuperseded
from strongroom.metadata.v1.upload_session_service_pb2 import (
    Continuation,
    RecordProgressRequest,
    RecordProgressResponse,
    Session,
)
from tests.integration.metadata_service.sessions.test_sessions import Sessions
from tests.integration.metadata_service.world import World, handle, proto_handle

HOUR = 3_600_000_000


@pytest.fixture
def sessions(world: World, owner: str) -> Sessions:
    return Sessions(world, owner)


async def written(sessions: Sessions, size: int | None = 10) -> Session:
    """A session whose first writer has recorded 3 bytes."""
    opened = await sessions.open(size)
    writer = await sessions.reading.acquire(sessions.owner, opened.upload_id)
    await sessions.record(writer, 3)
    shown = await sessions.reading.get(sessions.owner, opened.upload_id)
    shown.blob.epoch = writer.blob.epoch
    return shown


async def go_on(
    sessions: Sessions, session: Session, persisted: int, *, idle: int = 0, **earlier: object
) -> RecordProgressResponse:
    """Record the first step of the next write, which began ``idle`` microseconds after the last answer."""
    told = {"persisted_size": session.persisted_size, "prefix_crc32c": 7, "idle_microseconds": idle}
    continuation = Continuation(expire_time=session.expire_time)
    for name, value in {**told, **earlier}.items():
        setattr(continuation, name, value)
    request = RecordProgressRequest(
        blob=proto_handle(session.blob), persisted_size=persisted, prefix_crc32c=8, continuation=continuation
    )
    return await sessions.progress.record(handle(session.blob), request)


async def test_nobody_came_between(sessions: Sessions) -> None:
    session = await written(sessions)
    answered = await go_on(sessions, session, 5)
    assert (answered.persisted_size, answered.HasField("taken")) == (5, False)


async def test_it_is_the_newest_writer_of_what_was_taken_before_it_began(sessions: Sessions) -> None:
    session = await written(sessions)
    other = await sessions.reading.acquire(sessions.owner, session.upload_id)
    answered = await go_on(sessions, session, 5, idle=HOUR)
    assert answered.taken.blob.epoch == other.blob.epoch + 1
    with pytest.raises(UploadSuperseded):
        await sessions.record(other, 6)
    await sessions.record(answered.taken, 6)


async def test_what_was_told_since_it_began_holds(sessions: Sessions) -> None:
    session = await written(sessions)
    other = await sessions.reading.acquire(sessions.owner, session.upload_id)
    with pytest.raises(UploadSuperseded):
        await go_on(sessions, session, 5, idle=0)
    assert (await sessions.reading.get(sessions.owner, session.upload_id)).persisted_size == 3
    await sessions.record(other, 4)


@pytest.mark.parametrize("change", ["longer", "other bytes", "begun"])
async def test_what_has_come_of_the_other_writer_holds(sessions: Sessions, change: str) -> None:
    session = await written(sessions)
    other = await sessions.reading.acquire(sessions.owner, session.upload_id)
    if change == "longer":
        await sessions.record(other, 4)
    elif change == "begun":
        await sessions.record(other, 3, multipart_upload_id="mpu-1")
    earlier = {"prefix_crc32c": 9} if change == "other bytes" else {}
    with pytest.raises(UploadSuperseded):
        await go_on(sessions, session, 5, idle=HOUR, **earlier)
    await sessions.record(other, 6)


async def test_the_length_that_was_declared_meanwhile_is_told(sessions: Sessions) -> None:
    session = await written(sessions, None)
    await sessions.reading.acquire(sessions.owner, session.upload_id)
    await sessions.progress.declare(sessions.owner, session.upload_id, 5)
    answered = await go_on(sessions, session, 5, idle=HOUR)
    assert answered.taken.size_bytes == 5


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize(("end", "error"), [("expired", UploadExpired), ("cancelled", UploadNotFound)])
async def test_an_upload_that_is_over_says_so(
    sessions: Sessions, end: str, error: type[StrongroomError], taken: bool
) -> None:
    session = await written(sessions)
    if taken:
        await sessions.reading.acquire(sessions.owner, session.upload_id)
    if end == "expired":
        sessions.lie_still(session)
    else:
        await sessions.ending.cancel(sessions.owner, session.upload_id)
    with pytest.raises(error):
        await go_on(sessions, session, 5, idle=HOUR)
