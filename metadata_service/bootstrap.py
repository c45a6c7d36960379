"""The composition root: the only place that constructs the pool, the use cases and the servicers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from grpc import aio

from metadata_service import startup
from metadata_service.attempts.cleaning import Cleaning
from metadata_service.attempts.commit import Committing
from metadata_service.attempts.reservation import Reserving
from metadata_service.attempts.steps import Attempts
from metadata_service.config import MetadataSettings
from metadata_service.db.database import SYSTEM, Database, Pool
from metadata_service.db.paging import PageTokens
from metadata_service.db.pool import make_pool
from metadata_service.events.lookout import Looking
from metadata_service.events.reader import Watching
from metadata_service.events.wakeups import Waking, connect
from metadata_service.files.damage import DamageReports
from metadata_service.files.deletion import Deleting
from metadata_service.files.edits import Editing
from metadata_service.files.event_media import EventMedia
from metadata_service.files.generations import GenerationQueries
from metadata_service.files.newest_first import NewestFirst
from metadata_service.files.queries import FileQueries
from metadata_service.projects.services import add_project_services
from metadata_service.servicers.credential_service import CredentialServicer
from metadata_service.servicers.event_media_service import EventMediaServicer
from metadata_service.servicers.file_service import FileServicer
from metadata_service.servicers.generation_service import GenerationServicer
from metadata_service.servicers.notification_service import NotificationServicer
from metadata_service.servicers.reservation_service import ReservationServicer
from metadata_service.servicers.usage_service import UsageServicer
from metadata_service.sessions.services import add_session_services
from metadata_service.usage.queries import UsageQueries
from servicekit.server import ServerSpec
from servicekit.settings import require
from strongroom.metadata.v1 import (
    credential_service_pb2,
    event_media_service_pb2,
    file_service_pb2,
    generation_service_pb2,
    notification_service_pb2,
    reservation_service_pb2,
    usage_service_pb2,
)
from strongroom.metadata.v1.credential_service_pb2_grpc import add_CredentialServiceServicer_to_server
from strongroom.metadata.v1.event_media_service_pb2_grpc import add_EventMediaServiceServicer_to_server
from strongroom.metadata.v1.file_service_pb2_grpc import add_FileServiceServicer_to_server
from strongroom.metadata.v1.generation_service_pb2_grpc import add_GenerationServiceServicer_to_server
from strongroom.metadata.v1.notification_service_pb2_grpc import add_NotificationServiceServicer_to_server
from strongroom.metadata.v1.reservation_service_pb2_grpc import add_ReservationServiceServicer_to_server
from strongroom.metadata.v1.usage_service_pb2_grpc import add_UsageServiceServicer_to_server

#: Only other services of Strongroom may call these.
INTERNAL: Final = tuple(
    f"strongroom.metadata.v1.{name}"
    for name in (
        "CredentialService",
        "ReservationService",
        "UploadSessionService",
        "ProjectSaveService",
        "PreviewedFileService",
    )
)


class Application:
    """One metadata_service: `spec` to serve, `lifespan` around it."""

    def __init__(self, settings: MetadataSettings) -> None:
        require(settings, "internal_secret")
        self._settings = settings
        self._pool: Pool = make_pool(settings.database_url.get_secret_value(), settings.pool)
        self._waking = Waking(lambda: connect(settings.database_url.get_secret_value()))
        self._database = Database(self._pool, committed=self._waking.committed)
        self._watching = Watching(self._database, settings.timing.events)
        self._looking = Looking(self._watching)
        self.spec = ServerSpec(
            name="metadata_service",
            bind=settings.metadata_bind,
            bind_setting="STRONGROOM_METADATA_BIND",
            add_services=self._add_services,
            internal_services=INTERNAL,
            probes={"strongroom.postgres": self._postgres_answers},
            limits=settings,
        )

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """The pool, open and checked. Raises NotReady, SettingError."""
        await startup.open_pool(self._pool)
        try:
            await startup.check(self._database)
            heartbeats = self.spec.heartbeats
            async with self._waking.running(heartbeats), self._looking.running(heartbeats):
                yield
        finally:
            await self._pool.close()

    async def _postgres_answers(self) -> bool:
        return bool(await self._database.read(SYSTEM, "SELECT 1")) and self._database.takes_writes

    def _add_services(self, server: aio.Server) -> Sequence[str]:
        database, timing, limits = self._database, self._settings.timing, self._settings.limits
        deleting = Deleting(database, timing, limits)
        tokens = self._page_tokens()
        files, pages = FileQueries(database, tokens), NewestFirst(database, tokens)
        add_FileServiceServicer_to_server(FileServicer(files, Editing(database), deleting), server)
        add_GenerationServiceServicer_to_server(
            GenerationServicer(GenerationQueries(database, files, pages), self._settings.price_per_gb_month),
            server,
        )
        add_EventMediaServiceServicer_to_server(EventMediaServicer(EventMedia(database, pages)), server)
        notifications = NotificationServicer(self._watching, self._waking, self._looking)
        add_NotificationServiceServicer_to_server(notifications, server)
        add_CredentialServiceServicer_to_server(CredentialServicer(), server)
        add_UsageServiceServicer_to_server(UsageServicer(UsageQueries(database, limits)), server)
        add_ReservationServiceServicer_to_server(
            ReservationServicer(
                Reserving(database, timing, limits),
                Attempts(database, timing, limits),
                Committing(database, timing, limits),
                deleting,
                Cleaning(database, timing),
                damage=DamageReports(database),
            ),
            server,
        )
        ours = (
            (file_service_pb2, "FileService"),
            (generation_service_pb2, "GenerationService"),
            (event_media_service_pb2, "EventMediaService"),
            (notification_service_pb2, "NotificationService"),
            (usage_service_pb2, "UsageService"),
            (credential_service_pb2, "CredentialService"),
            (reservation_service_pb2, "ReservationService"),
        )
        return [
            *(module.DESCRIPTOR.services_by_name[name].full_name for module, name in ours),
            *add_project_services(server, database, timing, limits, self._page_tokens()),
            *add_session_services(server, database, timing, limits),
        ]

    def _page_tokens(self) -> PageTokens:
        secret = self._settings.internal_secret
        return PageTokens(secret.get_secret_value().encode() if secret is not None else b"")
