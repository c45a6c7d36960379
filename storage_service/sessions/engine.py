"""Resumable uploads: create, write, query, declare the length, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from servicekit import context, failpoints
from storage_service.attempts.engine import Attempts, fingerprint
from storage_service.content.body import Limits, SizeRule
from storage_service.metadata.reservations import Reservations
from storage_service.metadata.sessions import SessionState
from storage_service.sessions.content import Content
from storage_service.sessions.driver import Driver, without_deadline
from storage_service.sessions.finisher import Endings
from storage_service.sessions.hashes import RunningHashes
from storage_service.sessions.kept import TELL_SECONDS, Kept, KeptSessions
from storage_service.sessions.registry import Entry
from storage_service.sessions.stream import Message, SessionStream, check_repeat
from storage_service.sessions.views import answer, check_writable, finished, is_whole, shown
from storage_service.sessions.writer import SessionWriter
from strongroom.errors import FileNotFound, SizeMismatch, UploadNotFound, UploadSuperseded
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.reservation_service_pb2 import DeleteFileRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.metadata.v1.upload_session_service_pb2 import (
    SESSION_KIND_PARTIAL,
    SESSION_KIND_SEQUENTIAL,
    OpenSessionRequest,
    Session,
)
from strongroom.storage.v1.upload_pb2 import CreateUploadRequest, UploadRequest, UploadResponse, UploadSession

AFTER_OPEN = failpoints.register("storage.session.opened")
AFTER_ACQUIRE = failpoints.register("storage.session.acquired")


class Sessions:
    """Carries out resumable uploads. One instance per process."""

    def __init__(
        self,
        state: SessionState,
        reservations: Reservations,
        attempts: Attempts,
        endings: Endings,
        driver: Driver,
        *,
        kept: KeptSessions,
        make_writer: Callable[[Session, Kept | None], SessionWriter],
        limits: Limits,
        content: Content,
    ) -> None:
        self._state = state
        self._reservations = reservations
        self._attempts = attempts
        self._endings = endings
        self._driver = driver
        self._registry = driver.registry
        self._kept = kept
        self._make_writer = make_writer
        self._limits = limits
        self._content = content
        self._running = RunningHashes()

    async def create(self, request: CreateUploadRequest) -> UploadSession:
        """Begin an upload. One of zero bytes is finished at once.

        Raises SizeLimitExceeded, ContentTypeNotAllowed, and what Reservations.reserve raises.
        """
        spec, rule = request.spec, self._rule(request.spec)
        declared = spec.size_bytes if spec.HasField("size_bytes") else None
        rule.check(declared or 0)
        if not request.partial:
            self._content.declared(spec)
        opening = OpenSessionRequest(
            spec=spec,
            kind=SESSION_KIND_PARTIAL if request.partial else SESSION_KIND_SEQUENTIAL,
            blob_kind=blob_pb2.BLOB_KIND_SINGLE,
            part_size_bytes=self._limits.part_size(rule.max_bytes if declared is None else declared),
            annotation=request.annotation,
        )
        if spec.request_id:
            opening.fingerprint = fingerprint(spec, "session", str(request.partial))
        session = await self._driver.open(opening)
        await failpoints.hit(AFTER_OPEN)
        return shown(await self._driver.driven(session))

    async def upload(self, first: UploadRequest, messages: AsyncIterator[Message]) -> UploadResponse:
        """Carry out one write: the stream that begins with ``first``. See docs/resumable.md.

        Raises what SessionStream.run and Endings.finish raise, and UploadSuperseded if a newer write has
        begun.
        """
        upload_id = first.upload_id
        async with self._registry.turn(upload_id, writes=True):
            self._driver.refuse_while_finishing(upload_id)
            kept = self._goes_on(first)
            session = kept.session if kept is not None else await self._acquired(upload_id)
            entry = None if session.finished else self._entered(session, first)
        if entry is not None:
            return await self._write(entry, session, kept, first, messages)
        await check_repeat(session, first, messages)
        return answer(session)

    async def get(self, upload_id: str, *, preempt: bool = False) -> UploadSession:
        """Return the state of an upload. An interrupted completion is resumed.

        ``preempt``: the returned offset stays valid until the next write begins. A writer in this process is
        stopped and its bytes are persisted. A writer in another process is shut out by a new epoch: bytes
        that it has not recorded never count, and the client sends them again.

        Raises UploadNotFound, UploadExpired, UploadLost, ServiceUnavailable (still being completed).
        """
        if preempt:
            async with self._registry.turn(upload_id):
                session = await self._state.get(upload_id)
                if _may_have_writer(session):
                    session = await self._state.acquire(upload_id)
                    await asyncio.sleep(TELL_SECONDS)
        else:
            session = await self._state.get(upload_id)
        return shown(await self._driver.driven(session))

    async def declare(self, upload_id: str, size: int) -> UploadSession:
        """Set the length of an upload. Raises SizeMismatch, SizeLimitExceeded, QuotaExceeded, and as
        ``get``.
        """
        async with self._registry.turn(upload_id):
            session = await self._state.get(upload_id)
            self._rule(session.blob.spec).check(size)
            if not session.finished:
                session = await self._state.declare(upload_id, size)
            elif session.size_bytes != size:
                raise SizeMismatch(
                    f"the upload is finished and has {session.size_bytes} bytes",
                    metadata={"expected": str(session.size_bytes), "actual": str(size)},
                )
        return shown(await self._driver.driven(session))

    async def cancel(self, upload_id: str) -> None:
        """Give an upload up, or delete the file that it has become. Raises as ``get``."""
        async with self._registry.turn(upload_id):
            session = await self._state.get(upload_id)
            if not session.HasField("file"):
                await self._state.cancel(upload_id)
            elif session.blob.state != blob_pb2.BLOB_STATE_COMMITTED:
                raise UploadNotFound("The file of this upload was replaced.")
            else:
                file = session.file
                request = DeleteFileRequest(
                    file_id=file.id, user_id=file.owner_id, if_generation_match=file.generation
                )
                try:
                    await self._reservations.delete_file(request)
                except FileNotFound as error:
                    raise UploadNotFound("The file of this upload was deleted.") from error
        self._attempts.wake_cleaner()

    def _goes_on(self, first: UploadRequest) -> Kept | None:
        """Return what the previous write has left in this process, if this one continues at its end."""
        kept = self._kept.take(first.upload_id, _subject())
        if kept is not None and first.write_offset != kept.session.persisted_size:
            kept.tail.give_back()
            return None
        return kept

    async def _acquired(self, upload_id: str) -> Session:
        session = await self._state.acquire(upload_id)
        await failpoints.hit(AFTER_ACQUIRE)
        return await self._driver.finish(session) if is_whole(session) else session

    def _entered(self, session: Session, first: UploadRequest) -> Entry:
        """Make the current task the session's writer. Raises InvalidField, ContentType*, PictureRefused."""
        check_writable(session)
        begins = first.write_offset == session.persisted_size == 0
        if begins and len(first.data) >= self._content.head_bytes(session, first.data):
            self._content.decide(session, (first.data,))
        return self._registry.enter(session.upload_id)

    async def _write(
        self,
        entry: Entry,
        session: Session,
        kept: Kept | None,
        first: UploadRequest,
        messages: AsyncIterator[Message],
    ) -> UploadResponse:
        expected = session.blob.spec.checksums
        hashes = self._running.take(session.upload_id, expected, session.persisted_size)
        stream = SessionStream(first, messages, session, self._rule(session.blob.spec), hashes)
        writer = self._make_writer(session, kept)
        writer.progress.deferred = stream.all_or_nothing
        problem: BaseException | None = None
        try:
            async with writer.reading:
                await stream.run(writer)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - told once what came is persisted
            problem = error
        entry.reading = False
        ending = self._registry.in_background(self._end(entry, writer, stream, problem), "end of write")
        try:
            if isinstance(problem, asyncio.CancelledError):
                raise problem
            return await asyncio.shield(ending)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if entry.preempted and task is not None:
                task.uncancel()
                raise UploadSuperseded("A newer request has taken this upload over.") from None
            raise

    async def _end(
        self, entry: Entry, writer: SessionWriter, stream: SessionStream, problem: BaseException | None
    ) -> UploadResponse:
        """Persist the received bytes, or finish the upload, and then let the next writer begin."""
        session, ended_well = writer.session, False
        try:
            with without_deadline():
                settling = self._settle(entry, writer, stream, problem)
                response = await self._endings.guard(writer.blob, settling)
            ended_well = problem is None and not entry.finishing
            return response
        finally:
            await writer.close()
            if ended_well and session.persisted_size and not is_whole(session):
                at = writer.progress
                times = {"asked_at": at.asked_at, "answered_at": at.answered_at}
                self._kept.keep(session, _subject(), writer.under_way, **times)
            self._registry.leave(session.upload_id, entry)

    async def _settle(
        self, entry: Entry, writer: SessionWriter, stream: SessionStream, problem: BaseException | None
    ) -> UploadResponse:
        left = isinstance(problem, asyncio.CancelledError)
        if stream.all_or_nothing and problem is not None:
            if left:
                return UploadResponse(persisted_size=writer.progress.persisted)
            raise problem
        writer.progress.deferred = False
        session = writer.session
        whole = session.HasField("size_bytes") and writer.received == session.size_bytes
        if (problem is None and stream.finished) or (whole and (problem is None or left)):
            entry.finishing = True
            file = await self._endings.finish(writer, stream.hashes, stream.final)
            return finished(session, file, writer.received)
        try:
            await writer.flush()
        except Exception as error:
            raise problem if isinstance(problem, Exception) else error from error
        if stream.hashes is not None and stream.hashes.size == writer.progress.persisted:
            self._running.keep(session.upload_id, stream.hashes)
        if problem is not None and not left:
            raise problem
        if is_whole(session):  # another request has declared the length meanwhile
            return finished(session, await self._driver.finish_alone(session), writer.received)
        return UploadResponse(persisted_size=writer.progress.persisted, expire_time=session.expire_time)

    def _rule(self, spec: UploadSpec) -> SizeRule:
        return self._limits.for_target(spec.target)


def _subject() -> str:
    """Return the caller, because only the same caller may continue a kept session at its epoch."""
    now = context.current()
    return "" if now is None or now.principal is None else now.principal.subject


def _may_have_writer(session: Session) -> bool:
    """Whether another process may be writing: the session has been acquired before, and bytes are missing."""
    in_order = session.kind in {SESSION_KIND_SEQUENTIAL, SESSION_KIND_PARTIAL}
    return in_order and session.blob.epoch > 1 and not session.finished and not is_whole(session)
