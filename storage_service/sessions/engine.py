"""Resumable uploads, the use case: create, write, ask, declare, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Protocol, TypeVar

import structlog

from servicekit import failpoints
from storage_service import store_errors
from storage_service.attempts import fingerprint
from storage_service.budget import ByteBudget
from storage_service.limits import Limits, SizeRule
from storage_service.reservations import Deletions, handle_of
from storage_service.sessions.client import without_deadline
from storage_service.sessions.content import Content
from storage_service.sessions.finishing import Finisher, FinishStore
from storage_service.sessions.hashing import RunningHashes
from storage_service.sessions.registry import Entry, Registry
from storage_service.sessions.state import SessionState
from storage_service.sessions.stream import Message, SessionStream
from storage_service.sessions.views import answer, check_limit, check_writable, finished, is_whole, shown
from storage_service.sessions.writer import SessionWriter
from storage_service.store_errors import StoreError
from storage_service.translate import to_strongroom
from storage_service.uploads import SNIFF_BYTES
from strongroom import errors
from strongroom.errors import UploadSuperseded
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.reservation_service_pb2 import DeleteFileRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.metadata.v1.upload_session_service_pb2 import (
    SESSION_KIND_PARTIAL,
    SESSION_KIND_SEQUENTIAL,
    OpenSessionRequest,
    Session,
)
from strongroom.storage.v1.upload_pb2 import (
    CreateUploadRequest,
    UploadRequest,
    UploadResponse,
    UploadSession,
)

T = TypeVar("T")

log = structlog.get_logger(__name__)

AFTER_OPEN = failpoints.register("storage.session.opened")
AFTER_ACQUIRE = failpoints.register("storage.session.acquired")

#: What no repetition cures: the session is over, and says so from now on.
FATAL = (
    store_errors.UploadNotFound,
    store_errors.InvalidPart,
    store_errors.ObjectNotFound,
    errors.UploadLost,
    errors.ContentTypeMismatch,
    errors.ContentTypeNotAllowed,
)


class SessionStore(FinishStore, Protocol):
    """What sessions need of the object store."""


class Sessions:
    """The use case; one instance per process."""

    def __init__(
        self,
        store: SessionStore,
        state: SessionState,
        deletions: Deletions,
        finisher: Finisher,
        registry: Registry,
        *,
        budget: ByteBudget,
        limits: Limits,
        content: Content,
    ) -> None:
        self._store = store
        self._state = state
        self._deletions = deletions
        self._finisher = finisher
        self._registry = registry
        self._budget = budget
        self._limits = limits
        self._content = content
        self._running = RunningHashes()

    async def create(self, request: CreateUploadRequest) -> UploadSession:
        """Begin an upload; one of zero bytes is finished at once.

        Raises SizeLimitExceeded, ContentTypeNotAllowed, and what Reservations.reserve raises.
        """
        spec, rule = request.spec, self._rule(request.spec)
        declared = spec.size_bytes if spec.HasField("size_bytes") else None
        check_limit(declared or 0, rule)
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
        session = await self._state.open(opening)
        await failpoints.hit(AFTER_OPEN)
        return shown(await self.driven(session))

    async def upload(self, first: UploadRequest, messages: AsyncIterator[Message]) -> UploadResponse:
        """One write: the stream whose first message is ``first``. See docs/resumable.md.

        Raises what SessionStream.run and Finisher.finish raise, UploadSuperseded when a newer writer has
        come.
        """
        upload_id = first.upload_id
        async with self._registry.turn(upload_id):
            self._refuse_while_finishing(upload_id)
            session = await self._state.acquire(upload_id)
            await failpoints.hit(AFTER_ACQUIRE)
            if is_whole(session):
                session = await self._drive(session)
            if session.finished:
                return answer(session)
            check_writable(session)
            if first.write_offset == session.persisted_size == 0 and len(first.data) >= SNIFF_BYTES:
                self._content.decide(session, first.data[:SNIFF_BYTES])
            entry = self._registry.enter(upload_id)
        return await self._write(entry, session, first, messages)

    async def get(self, upload_id: str, *, preempt: bool = False) -> UploadSession:
        """Where an upload stands; a completion that was cut short is driven on.

        Raises UploadNotFound, UploadExpired, UploadLost, ServiceUnavailable (still being completed).
        """
        if preempt:
            async with self._registry.turn(upload_id):
                session = await self._state.get(upload_id)
        else:
            session = await self._state.get(upload_id)
        return shown(await self.driven(session))

    async def declare(self, upload_id: str, size: int) -> UploadSession:
        """Say how long an upload is. Raises SizeMismatch, SizeLimitExceeded, QuotaExceeded, and as
        ``get``.
        """
        async with self._registry.turn(upload_id):
            session = await self._state.get(upload_id)
            check_limit(size, self._rule(session.blob.spec))
            if not session.finished:
                session = await self._state.declare(upload_id, size)
            elif session.size_bytes != size:
                raise errors.SizeMismatch(
                    f"the upload is finished and has {session.size_bytes} bytes",
                    metadata={"expected": str(session.size_bytes), "actual": str(size)},
                )
        return shown(await self.driven(session))

    async def cancel(self, upload_id: str) -> None:
        """Give an upload up, or delete what it has become. Raises as ``get``."""
        async with self._registry.turn(upload_id):
            session = await self._state.get(upload_id)
            if not session.HasField("file"):
                await self._state.cancel(upload_id)
            else:
                file = session.file
                request = DeleteFileRequest(
                    file_id=file.id, user_id=file.owner_id, if_generation_match=file.generation
                )
                try:
                    await self._deletions.delete_file(request)
                except errors.FileNotFound as error:
                    raise errors.UploadNotFound("The file of this upload was deleted.") from error
        self._finisher.wake_cleaner()

    async def driven(self, session: Session) -> Session:
        """The session as it is once everything that can be done for it is done.

        Raises ServiceUnavailable while it is being completed elsewhere, and what completing raises.
        """
        if session.finished or not is_whole(session):
            return session
        upload_id = session.upload_id
        self._refuse_while_finishing(upload_id)
        async with self._registry.turn(upload_id):
            self._refuse_while_finishing(upload_id)
            session = await self._state.acquire(upload_id)
            return session if session.finished else await self._drive(session)

    def _refuse_while_finishing(self, upload_id: str) -> None:
        if self._registry.finishing(upload_id):
            raise errors.ServiceUnavailable(
                "This upload is being completed; ask again in a moment.",
                metadata={"service": "storage_service"},
                retry_after=1.0,
            )

    async def _drive(self, session: Session) -> Session:
        """Finish an acquired session whose bytes are all persisted. Goes on when the caller leaves."""
        entry = self._registry.enter(session.upload_id)
        entry.reading, entry.finishing = False, True
        work = self._finish_alone(entry, session)
        await asyncio.shield(self._registry.in_background(work, "finish"))
        return await self._state.get(session.upload_id)

    async def _finish_alone(self, entry: Entry, session: Session) -> None:
        writer = SessionWriter(self._store, self._state, self._budget, self._content, session)
        try:
            with without_deadline():
                if session.blob.state == blob_pb2.BLOB_STATE_COMPLETING:
                    await self._fatal(writer, self._finisher.drive_on(session.blob))
                else:
                    await self._fatal(writer, self._finish(writer))
        finally:
            await writer.close()
            self._registry.leave(session.upload_id, entry)

    async def _write(
        self, entry: Entry, session: Session, first: UploadRequest, messages: AsyncIterator[Message]
    ) -> UploadResponse:
        expected = session.blob.spec.checksums
        hashes = self._running.take(session.upload_id, expected, session.persisted_size)
        stream = SessionStream(first, messages, session, self._rule(session.blob.spec), hashes)
        writer = SessionWriter(self._store, self._state, self._budget, self._content, session)
        writer.deferred = stream.all_or_nothing
        problem: BaseException | None = None
        try:
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
        """Persist what has arrived, or finish; then the place is free for the next writer."""
        try:
            with without_deadline():
                return await self._fatal(writer, self._settle(entry, writer, stream, problem))
        finally:
            await writer.close()
            self._registry.leave(writer.session.upload_id, entry)

    async def _settle(
        self, entry: Entry, writer: SessionWriter, stream: SessionStream, problem: BaseException | None
    ) -> UploadResponse:
        left = isinstance(problem, asyncio.CancelledError)
        if stream.all_or_nothing and problem is not None:
            if left:
                return UploadResponse(persisted_size=writer.persisted)
            raise problem
        writer.deferred = False
        session = writer.session
        whole = session.HasField("size_bytes") and writer.received == session.size_bytes
        if (problem is None and stream.finished) or (whole and (problem is None or left)):
            entry.finishing = True
            return await self._finish(writer, stream)
        try:
            await writer.flush()
        except Exception as error:
            raise problem if isinstance(problem, Exception) else error from error
        if stream.hashes is not None and stream.hashes.size == writer.persisted:
            self._running.keep(session.upload_id, stream.hashes)
        if problem is not None and not left:
            raise problem
        return UploadResponse(persisted_size=writer.persisted, expire_time=session.expire_time)

    async def _finish(self, writer: SessionWriter, stream: SessionStream | None = None) -> UploadResponse:
        """Everything is there. Bytes that don't match what was announced for the whole never will."""
        try:
            if stream is None:
                file = await self._finisher.finish(writer)
            else:
                file = await self._finisher.finish(writer, stream.hashes, stream.final)
        except errors.ChecksumMismatch:
            await self._lose(writer)
            raise
        return finished(writer.session, file)

    async def _fatal(self, writer: SessionWriter, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work``; what can never succeed ends the session, so that later queries say so."""
        try:
            return await work
        except FATAL as error:
            await self._lose(writer)
            raise _as_told(error) from error
        except StoreError as error:
            raise to_strongroom(error) from error

    async def _lose(self, writer: SessionWriter) -> None:
        log.warning("session_lost", blob_id=writer.blob.id)
        await self._state.lose(handle_of(writer.blob))
        self._finisher.wake_cleaner()

    def _rule(self, spec: UploadSpec) -> SizeRule:
        return self._limits.for_target(spec.target)


def _as_told(error: Exception) -> errors.StrongroomError:
    """What is missing are the upload's own parts and segments, whatever the store calls them."""
    if isinstance(error, StoreError):
        return errors.UploadLost("The object store no longer has what was uploaded; start the upload again.")
    if isinstance(error, errors.StrongroomError):
        return error
    raise error
