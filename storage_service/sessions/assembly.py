"""Builds the use cases of resumable and direct uploads, for ``services``."""

from __future__ import annotations

from dataclasses import dataclass

from storage_service.attempts.budget import ByteBudget
from storage_service.attempts.engine import Attempts
from storage_service.attempts.versioning import VersioningGate
from storage_service.content.body import Limits
from storage_service.content.types import ContentRules
from storage_service.metadata.reservations import Reservations
from storage_service.metadata.sessions import SessionState
from storage_service.objectstore.interface import ObjectStore
from storage_service.reading.committed import CommittedReader
from storage_service.scanning.scanner import Scanner
from storage_service.sessions.concatenation import Concatenator
from storage_service.sessions.content import Content
from storage_service.sessions.direct import DirectUploads
from storage_service.sessions.direct_completion import DirectCompletion
from storage_service.sessions.driver import Driver
from storage_service.sessions.engine import Sessions
from storage_service.sessions.finisher import Endings, Finisher
from storage_service.sessions.kept import Kept, KeptSessions
from storage_service.sessions.registry import Registry
from storage_service.sessions.writer import SessionWriter
from strongroom.metadata.v1.upload_session_service_pb2 import Session


@dataclass(frozen=True, slots=True)
class SessionParts:
    """The objects that the use cases are built from."""

    store: ObjectStore
    objects: CommittedReader
    gate: VersioningGate
    state: SessionState
    reservations: Reservations
    attempts: Attempts
    budget: ByteBudget
    limits: Limits
    content: ContentRules
    scanner: Scanner


class SessionUseCases:
    """The use cases of one process, and their shutdown."""

    def __init__(self, parts: SessionParts) -> None:
        store, state, content = parts.store, parts.state, Content(parts.content)
        self._kept = KeptSessions(parts.budget)
        self._registry = Registry(self._kept)
        finisher = Finisher(store, parts.reservations, parts.attempts, content, parts.scanner)

        def make_writer(session: Session, kept: Kept | None = None) -> SessionWriter:
            return SessionWriter(store, state, parts.budget, content, session, kept=kept)

        endings = Endings(state, parts.attempts, finisher)
        driver = Driver(self._registry, parts.gate, state, endings, make_writer)
        self.sessions = Sessions(
            state,
            parts.reservations,
            parts.attempts,
            endings,
            driver,
            kept=self._kept,
            make_writer=make_writer,
            limits=parts.limits,
            content=content,
        )
        self.concatenator = Concatenator(
            store,
            parts.objects,
            state,
            endings,
            driver,
            make_writer=make_writer,
            limits=parts.limits,
        )
        completion = DirectCompletion(store, state, finisher, content)
        self.direct = DirectUploads(store, state, driver, completion, limits=parts.limits, content=content)

    async def aclose(self) -> None:
        """Wait until writers have persisted what they have received."""
        await self._registry.aclose()
        self._kept.close()
