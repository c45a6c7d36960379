"""Runs completions of sessions: each in a task that outlives its caller, at most one per session and
process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from servicekit import context
from storage_service.attempts.versioning import VersioningGate
from storage_service.metadata.sessions import SessionState
from storage_service.sessions.finisher import Endings
from storage_service.sessions.registry import Entry, Registry
from storage_service.sessions.views import committed, is_whole
from storage_service.sessions.writer import SessionWriter
from strongroom.errors import ServiceUnavailable
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.upload_session_service_pb2 import OpenSessionRequest, Session


class Driver:
    """Completes sessions. One instance per process."""

    def __init__(
        self,
        registry: Registry,
        gate: VersioningGate,
        state: SessionState,
        endings: Endings,
        make_writer: Callable[[Session], SessionWriter],
    ) -> None:
        self.registry = registry
        self._gate = gate
        self._state = state
        self._endings = endings
        self._make_writer = make_writer

    async def open(self, request: OpenSessionRequest) -> Session:
        """See SessionState.open. Raises BucketNotVersioned."""
        await self._gate.check_target(request.spec.target)
        return await self._state.open(request)

    def refuse_while_finishing(self, upload_id: str) -> None:
        """Raises ServiceUnavailable while this process completes the session."""
        if self.registry.finishing(upload_id):
            raise ServiceUnavailable(
                "This upload is being completed; ask again in a moment.",
                metadata={"service": "storage_service"},
                retry_after=1.0,
            )

    async def driven(self, session: Session) -> Session:
        """Complete the session if all of its bytes are persisted, and return it.

        Raises ServiceUnavailable while it is being completed elsewhere, and what completing raises.
        """
        if not is_whole(session):
            return session
        upload_id = session.upload_id
        self.refuse_while_finishing(upload_id)
        async with self.registry.turn(upload_id):
            self.refuse_while_finishing(upload_id)
            session = await self._state.acquire(upload_id)
            return session if session.finished else await self.finish(session)

    async def finish(self, session: Session) -> Session:
        """Finish an acquired session whose bytes are all persisted, and return it. Raises as
        Endings.finish.
        """
        return await self.run(session, self.finish_alone(session))

    async def run(self, session: Session, work: Coroutine[Any, Any, File | None]) -> Session:
        """Run ``work``, which completes an acquired session, and return the session afterwards.

        A file that ``work`` has committed is returned without another query: it may be replaced or deleted by
        then.
        """
        entry = self.registry.enter(session.upload_id)
        entry.reading, entry.finishing = False, True
        file = await asyncio.shield(self.registry.in_background(self._run(entry, session, work), "finish"))
        if file is not None:
            return committed(session, file)
        with without_deadline():  # the work may have taken longer than the calls of a turn may
            return await self._state.get(session.upload_id)

    async def _run(
        self, entry: Entry, session: Session, work: Coroutine[Any, Any, File | None]
    ) -> File | None:
        try:
            with without_deadline():
                return await self._endings.guard(session.blob, work)
        finally:
            self.registry.leave(session.upload_id, entry)

    async def finish_alone(self, session: Session) -> File | None:
        """Like ``finish``, for callers that hold the turn. Return the file, or None for a partial upload."""
        if session.blob.state == blob_pb2.BLOB_STATE_COMPLETING:
            return await self._endings.finisher.drive_on(session.blob)
        writer = self._make_writer(session)
        try:
            return await self._endings.finish(writer)
        finally:
            await writer.close()


@contextmanager
def without_deadline() -> Iterator[None]:
    """Keep the caller but drop the deadline, for work that outlives its caller."""
    now = context.current()
    with context.bind(context.for_caller(now.principal if now is not None else None)):
        yield
