"""Sessions: opened once, advanced by one writer, expired, deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from metadata_service.blobs.states import COMPLETING
from metadata_service.config import Limits
from metadata_service.sessions.ending import SessionEnder
from metadata_service.sessions.opening import SessionOpener
from metadata_service.sessions.progress import ProgressRecorder
from metadata_service.sessions.reading import SessionReader
from servicekit.auth.principal import Principal
from strongroom.errors import (
    FileCountExceeded,
    IdempotencyKeyReused,
    QuotaExceeded,
    SizeMismatch,
    UploadExpired,
    UploadNotFound,
    UploadSuperseded,
)
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_UPLOAD_PROGRESS
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.metadata.v1.upload_session_service_pb2 import (
    SESSION_KIND_PARTIAL,
    SESSION_KIND_SEQUENTIAL,
    OpenSessionRequest,
    RecordProgressRequest,
    Session,
    SessionKind,
)
from tests.integration.metadata_service.world import (
    World,
    fingerprint,
    handle,
    path_spec,
    plain_spec,
    proto_handle,
)


@dataclass
class Sessions:
    """The sessions of one owner."""

    world: World
    owner: str

    def __post_init__(self) -> None:
        world = self.world
        self.opening = SessionOpener(world.database, world.timing, world.reserving)
        self.reading = SessionReader(world.database, world.timing)
        self.progress = ProgressRecorder(world.database, world.timing, world.limits)
        self.ending = SessionEnder(world.database)

    async def open(
        self, size: int | None = 10, request_id: str = "", *, partial: bool = False, **more: Any
    ) -> Session:
        spec = plain_spec(request_id, **more)
        if size is not None:
            spec.size_bytes = size
        kind = SESSION_KIND_PARTIAL if partial else SESSION_KIND_SEQUENTIAL
        return await self.opening.open(self.owner, opening(spec, kind))

    async def record(self, session: Session, persisted: int, **more: Any) -> None:
        request = RecordProgressRequest(
            blob=proto_handle(session.blob), persisted_size=persisted, prefix_crc32c=7, **more
        )
        await self.progress.record(handle(session.blob), request)

    def lie_still(self, session: Session, seconds: int = 100_000) -> None:
        """Age the session as if it had been idle for this long."""
        values = (seconds, session.blob.id)
        change = self.world.logins.change
        change(
            "UPDATE upload_sessions SET expires_at = expires_at - %s * interval '1 s' WHERE blob_id = %s",
            *values,
        )
        change(
            "UPDATE blobs SET lease_expires_at = lease_expires_at - %s * interval '1 s' WHERE id = %s",
            *values,
        )

    def told(self) -> list[dict[str, Any]]:
        """Payloads of the progress events."""
        rows = self.world.logins.rows(
            "SELECT payload FROM events WHERE owner_id = %s AND type = %s ORDER BY xid, id",
            self.owner,
            EVENT_TYPE_UPLOAD_PROGRESS,
        )
        return [row[0] for row in rows]


def opening(spec: UploadSpec, kind: SessionKind.ValueType = SESSION_KIND_SEQUENTIAL) -> OpenSessionRequest:
    return OpenSessionRequest(
        spec=spec,
        kind=kind,
        blob_kind=blob_pb2.BLOB_KIND_SINGLE,
        part_size_bytes=8,
        fingerprint=fingerprint(spec),
        annotation=b"kept",
    )


@pytest.fixture
def sessions(world: World, owner: str) -> Sessions:
    return Sessions(world, owner)


async def test_a_repeat_answers_the_same_session(sessions: Sessions) -> None:
    first = await sessions.open(10, "r1")
    await sessions.record(first, 3)
    again = await sessions.open(10, "r1")
    assert (again.upload_id, again.persisted_size, again.annotation) == (first.upload_id, 3, b"kept")
    with pytest.raises(IdempotencyKeyReused):
        await sessions.open(11, "r1")
    assert (await sessions.open(10)).upload_id != first.upload_id


async def test_the_answer_outlives_the_file_and_keeps_its_name(sessions: Sessions) -> None:
    first = await sessions.open(10, "r1")
    file = (await sessions.world.commit(first.blob)).file
    finished = await sessions.open(10, "r1")
    assert (finished.upload_id, finished.finished, finished.file) == (first.upload_id, True, file)
    await sessions.world.delete(sessions.owner, file)
    replayed = await sessions.open(10, "r1")
    assert (replayed.upload_id, replayed.finished, replayed.file) == (first.upload_id, True, file)
    with pytest.raises(UploadNotFound):
        await sessions.reading.get(sessions.owner, first.upload_id)


async def test_a_replaced_file_is_told_while_its_answer_may_be_on_its_way(
    sessions: Sessions,
) -> None:
    """A client that lost the answer gets it, and does not send its bytes again over newer content."""
    world, owner, look = sessions.world, sessions.owner, sessions.reading
    first = await sessions.opening.open(owner, opening(path_spec()))
    file = (await world.commit(first.blob)).file
    newer = await world.upload(owner, path_spec())
    assert (newer.id, newer.generation) == (file.id, 2)
    for asked in (look.get, look.acquire):
        told = await asked(owner, first.upload_id)
        assert (told.finished, told.persisted_size, told.prefix_crc32c) == (True, 10, file.crc32c)
        assert (told.file.id, told.file.generation, told.file.etag) == (file.id, 1, file.etag)
    older = "UPDATE blobs SET state_changed_at = state_changed_at - interval '1 minute' WHERE id = %s"
    world.logins.change(older, first.blob.id)
    with pytest.raises(UploadNotFound):
        await look.get(owner, first.upload_id)
    assert (await look.acquire(owner, first.upload_id)).file.etag == file.etag
    with pytest.raises(UploadNotFound):
        await sessions.ending.cancel(owner, first.upload_id)
    await world.delete(owner, newer)
    with pytest.raises(UploadNotFound):
        await look.acquire(owner, first.upload_id)


async def test_a_file_that_was_deleted_is_not_told(sessions: Sessions) -> None:
    """Clients remember uploads: if the user chooses the same file again, it has to be sent again."""
    first = await sessions.open(10)
    await sessions.world.delete(sessions.owner, (await sessions.world.commit(first.blob)).file)
    for asked in (sessions.reading.get, sessions.reading.acquire):
        with pytest.raises(UploadNotFound):
            await asked(sessions.owner, first.upload_id)


@pytest.mark.parametrize("partial", [False, True])
async def test_what_lies_still_expires(sessions: Sessions, partial: bool) -> None:
    session = await sessions.open(10, partial=partial)
    await sessions.record(session, 3)
    sessions.lie_still(session)
    for asked in (sessions.reading.get, sessions.reading.acquire, sessions.ending.cancel):
        with pytest.raises(UploadExpired):
            await asked(sessions.owner, session.upload_id)
    with pytest.raises(UploadExpired):
        await sessions.progress.declare(sessions.owner, session.upload_id, 10)


async def test_a_partial_upload_takes_no_place_of_a_file(world: World, owner: str) -> None:
    sessions = Sessions(world.but(limits=Limits(files=1)), owner)
    await sessions.open(10)
    await sessions.open(10, partial=True)
    with pytest.raises(FileCountExceeded):
        await sessions.open(10)


async def test_what_a_partial_upload_stored_is_left_alone_until_an_hour_after_its_session(
    sessions: Sessions,
) -> None:
    session = await sessions.open(10, partial=True)
    await sessions.world.commit(session.blob)
    rows = sessions.world.logins.rows(
        "SELECT state, lease_expires_at - expires_at FROM blobs JOIN upload_sessions ON blob_id = blobs.id"
        " WHERE blobs.id = %s",
        session.blob.id,
    )
    assert rows == [(COMPLETING, timedelta(hours=1))]


async def test_each_step_moves_the_end_on(sessions: Sessions) -> None:
    session = await sessions.open(10)
    sessions.lie_still(session, 3_000)
    before = (await sessions.reading.get(sessions.owner, session.upload_id)).expire_time
    await sessions.record(session, 3)
    after = (await sessions.reading.get(sessions.owner, session.upload_id)).expire_time
    assert after.seconds - before.seconds > 70_000
    sessions.lie_still(session, 80_000)
    acquired = await sessions.reading.acquire(sessions.owner, session.upload_id)
    assert acquired.expire_time.seconds >= after.seconds


async def test_an_expired_session_is_given_to_the_cleaner_and_says_so_for_a_day(
    own_world: World, owner: str
) -> None:
    sessions = Sessions(own_world, owner)
    session = await sessions.open(10)
    await sessions.record(session, 3, multipart_upload_id="mpu-1")
    sessions.lie_still(session)
    claimed: list[str] = []
    for _ in range(3):
        blobs, _more = await own_world.cleaning.claim(100)
        claimed += [blob.key for blob in blobs]
    assert session.blob.key in claimed
    assert f"segments/{session.blob.id}/" in claimed
    with pytest.raises(UploadExpired):
        await sessions.reading.get(owner, session.upload_id)
    own_world.logins.change("UPDATE upload_sessions SET forget_at = now()")
    await own_world.cleaning.claim(100)
    with pytest.raises(UploadNotFound):
        await sessions.reading.get(owner, session.upload_id)


async def test_only_the_newest_writer_moves_it_on(sessions: Sessions) -> None:
    session = await sessions.open(10)
    older = await sessions.reading.acquire(sessions.owner, session.upload_id)
    newer = await sessions.reading.acquire(sessions.owner, session.upload_id)
    assert newer.blob.epoch == older.blob.epoch + 1
    with pytest.raises(UploadSuperseded):
        await sessions.record(older, 3)
    await sessions.record(newer, 4)
    for wrong in (3, 11):
        with pytest.raises(SizeMismatch):
            await sessions.record(newer, wrong)
    assert (await sessions.reading.get(sessions.owner, session.upload_id)).persisted_size == 4


async def test_parts_are_kept_with_the_progress_that_they_make(sessions: Sessions) -> None:
    session = await sessions.open(10)
    parts = [blob_pb2.Part(number=n, etag=f"e{n}", size_bytes=3, crc32c=n) for n in (1, 2)]
    await sessions.record(session, 0, multipart_upload_id="mpu-1")
    await sessions.record(session, 3, parts=parts[:1])
    await sessions.record(session, 6, parts=parts)  # the first one's answer was lost
    shown = await sessions.reading.acquire(sessions.owner, session.upload_id)
    assert list(shown.blob.parts) == parts
    assert shown.blob.upload_id == "mpu-1"
    with pytest.raises(UploadSuperseded):
        await sessions.record(shown, 7, multipart_upload_id="mpu-2")
    assert (await sessions.reading.get(sessions.owner, session.upload_id)).persisted_size == 6


async def test_what_was_not_reserved_needs_room(own_world: World, owner: str) -> None:
    sessions = Sessions(own_world, owner)
    await own_world.usage.set_limits(owner, Limits(bytes=8), actor="root")
    session = await sessions.open(None)
    await sessions.record(session, 8)
    with pytest.raises(QuotaExceeded):
        await sessions.record(session, 9)
    assert (await sessions.reading.get(owner, session.upload_id)).persisted_size == 8


async def test_progress_is_told_every_two_seconds(sessions: Sessions) -> None:
    session = await sessions.open(10)
    for size in (3, 4, 5):
        await sessions.record(session, size)
    expected = {"upload_id": session.upload_id, "persisted_size": 3, "size_bytes": 10}
    assert sessions.told() == [expected]
    sessions.world.logins.change(
        "UPDATE upload_sessions SET told_at = told_at - interval '2 s' WHERE blob_id = %s", session.blob.id
    )
    await sessions.record(session, 5)
    assert sessions.told() == [expected], "nothing new is no news"
    await sessions.record(session, 6)
    assert [told["persisted_size"] for told in sessions.told()] == [3, 6]


async def test_admins_mean_the_owner_of_the_session(sessions: Sessions) -> None:
    session = await sessions.open(10)
    of = sessions.reading.owner_of
    assert await of(Principal("root", is_admin=True), session.upload_id) == sessions.owner
    assert await of(Principal("root", is_admin=True), "unknown") == "root"
    assert await of(Principal("bob"), session.upload_id) == "bob"
    with pytest.raises(UploadNotFound):
        await sessions.reading.get("bob", session.upload_id)
