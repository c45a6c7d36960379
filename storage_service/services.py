"""Builds the gRPC services and their use cases from the parts of the process, for ``bootstrap``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from grpc import aio

from servicekit.auth.credentials import InternalCredential
from servicekit.outbound import SystemResolver
from storage_service.attempts.acts import HeldActs
from storage_service.attempts.budget import ByteBudget, Floor
from storage_service.attempts.engine import Attempts, WriteEngine
from storage_service.attempts.failures import FailureTeller
from storage_service.attempts.versioning import VersioningGate
from storage_service.config import StorageSettings
from storage_service.content.body import Limits
from storage_service.content.types import ContentRules
from storage_service.diagnosis import InternalCalls
from storage_service.draining import Draining
from storage_service.media.unlocated import Unlocated
from storage_service.metadata.belongings import Belongings
from storage_service.metadata.files import FileReader, LinkedFiles
from storage_service.metadata.operations import Acts
from storage_service.metadata.projects import ProjectReader, ProjectSaves
from storage_service.metadata.reservations import Reservations
from storage_service.metadata.sessions import SessionState
from storage_service.metadata.shares import GuestAccess, SharedThings
from storage_service.metadata.verification import Restorations
from storage_service.metrics import StorageMetrics
from storage_service.objectstore.interface import ObjectStore
from storage_service.projects.assembly import ProjectParts, Projects
from storage_service.projects.limits import ProjectLimits
from storage_service.projects.settler import KeySettler
from storage_service.reading.archive_looks import ArchiveLooks
from storage_service.reading.archived import ArchivedObjects
from storage_service.reading.committed import CommittedReader
from storage_service.reading.downloads import Downloader
from storage_service.reading.links import LinkReader, LinkSigner, LinkTokens
from storage_service.reading.outgoing import Outgoing
from storage_service.reading.previews import Previews, PreviewTokens
from storage_service.reading.signer import Signer
from storage_service.repairing.assembly import Verifying
from storage_service.restoring.decisions import Decisions
from storage_service.restoring.projects import ProjectRestorer
from storage_service.restoring.relinking import Relinks
from storage_service.restoring.strays import Strays
from storage_service.scanning.scanner import Scanner
from storage_service.servicers.diagnostics import DiagnosticsServicer, upload_limits
from storage_service.servicers.guests import SERVICE as GUESTS
from storage_service.servicers.guests import GuestServicer, Sharing, add_guest_service
from storage_service.servicers.links import SERVICE as LINKS
from storage_service.servicers.links import LinkServicer, PreviewServicer, add_link_service
from storage_service.servicers.restore import RestoreServicer, add_restore_service
from storage_service.servicers.storage import StorageServicer, add_storage_service
from storage_service.servicers.use_cases import UseCases
from storage_service.servicers.verify import VerifyServicer, add_verify_service
from storage_service.sessions.assembly import SessionParts, SessionUseCases
from storage_service.sharing.contents import SharedContents
from storage_service.sharing.drops import Drops
from storage_service.sharing.guests import Guests
from storage_service.sharing.sessions import ShareSessions
from storage_service.stores import edge
from storage_service.uploads.copier import Copier
from storage_service.uploads.deletions import Deletions
from storage_service.uploads.importing.importer import BatchImporter, TellingImporter
from storage_service.uploads.importing.source import SourceClient
from storage_service.uploads.mover import Mover
from storage_service.uploads.upload import Uploader
from strongroom.storage.v1 import diagnostics_service_pb2, preview_pb2
from strongroom.storage.v1.diagnostics_service_pb2_grpc import add_DiagnosticsServiceServicer_to_server
from strongroom.storage.v1.preview_pb2_grpc import add_PreviewServiceServicer_to_server

PREVIEWS: Final = preview_pb2.DESCRIPTOR.services_by_name["PreviewService"].full_name
DIAGNOSTICS: Final = diagnostics_service_pb2.DESCRIPTOR.services_by_name["DiagnosticsService"].full_name
#: Services that need no bearer token.
OPEN: Final = (PREVIEWS, LINKS, GUESTS)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Memory:
    """Memory budgets for bodies and archives."""

    incoming: ByteBudget
    outgoing: Outgoing
    archives: ByteBudget

    @classmethod
    def of(cls, settings: StorageSettings) -> _Memory:
        floor = Floor(settings.min_body_rate, settings.body_rate_window)
        return cls(
            incoming=ByteBudget(settings.upload_memory_bytes, floor),
            outgoing=Outgoing(settings.download_memory_bytes),
            archives=ByteBudget(settings.archive_memory_bytes),
        )

    def by_name(self) -> dict[str, ByteBudget | Outgoing]:
        """The budgets by their name in the metrics."""
        return {"upload": self.incoming, "download": self.outgoing, "archive": self.archives}


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the process that its services share with its loops.

    ``metadata``: for further clients of metadata_service. ``secret``: the internal secret; the key that signs
    reports is derived from it.
    """

    settings: StorageSettings
    store: ObjectStore
    gate: VersioningGate
    metadata: tuple[aio.Channel, InternalCredential]
    secret: bytes
    reservations: Reservations
    saves: ProjectSaves
    settler: KeySettler
    objects: CommittedReader
    archived: ArchivedObjects
    unlocated: Unlocated
    scanner: Scanner
    verifying: Verifying
    internal_calls: InternalCalls
    draining: Draining
    wake_cleaner: Callable[[], None]


class Services:
    """The services, from ``add_to`` a server to ``aclose``."""

    def __init__(self, parts: Parts, metrics: StorageMetrics) -> None:
        self._parts = parts
        settings = self._settings = parts.settings
        self._store = parts.store
        self._memory = _Memory.of(settings)
        metrics.budgets.all = self._memory.by_name()
        self._transfers = metrics.transfers
        self._projects_read, self._files = ProjectReader(*parts.metadata), FileReader(*parts.metadata)
        self._engine = WriteEngine(
            parts.gate, lease_seconds=settings.upload_lease_seconds, wake_cleaner=parts.wake_cleaner
        )
        self._attempts = Attempts(parts.reservations, self._engine)
        self._acts = HeldActs(Acts(*parts.metadata))
        self._sources = SourceClient(settings.url_rules(), SystemResolver(), settings.source_timeouts())
        self._content = ContentRules(settings.allowed_types(), max_pixels=settings.max_picture_pixels)
        self._limits = Limits(settings.size_rules(), min_part_bytes=settings.part_size_bytes)
        self._failures = FailureTeller(parts.reservations)
        self._signer = Signer(
            self._store, self._files, public_base_url=settings.public_base_url, edge=edge(settings)
        )
        self._link_tokens = _link_tokens(settings)
        self._projects = Projects(self._project_parts())
        self._sessions = SessionUseCases(self._session_parts())

    def add_to(self, server: aio.Server) -> list[str]:
        """Register all services; returns their full names."""
        previews, outgoing, transfers = self._previews(), self._memory.outgoing, self._transfers
        use_cases = self._use_cases(previews)
        add_PreviewServiceServicer_to_server(PreviewServicer(previews, outgoing, transfers), server)
        add_DiagnosticsServiceServicer_to_server(self._diagnostics(), server)
        links = LinkServicer(self._link_reader(), outgoing, transfers)
        guests = GuestServicer(self._sharing(use_cases), outgoing, transfers)
        verify = VerifyServicer(self._parts.verifying, self._acts, self._parts.secret)
        return [
            *add_storage_service(server, StorageServicer(use_cases, transfers)),
            *add_link_service(server, links),
            *add_guest_service(server, guests),
            *add_verify_service(server, verify),
            *add_restore_service(server, self._restore()),
            PREVIEWS,
            DIAGNOSTICS,
        ]

    async def aclose(self) -> None:
        """Let sessions persist what they have received, and attempts be given up."""
        await self._sessions.aclose()
        await self._engine.aclose()
        await self._acts.aclose()
        await self._sources.aclose()

    def _link_reader(self) -> LinkReader:
        reading = LinkedFiles(*self._parts.metadata), self._parts.objects, self._signer, self._parts.unlocated
        return LinkReader(self._link_tokens, *reading, url_seconds=self._settings.link_redirect_seconds)

    def _sharing(self, use_cases: UseCases) -> Sharing:
        sessions = ShareSessions(*self._settings.link_secrets())
        guests = Guests(GuestAccess(*self._parts.metadata), sessions)
        things = SharedThings(*self._parts.metadata)
        readers = self._files, self._projects_read, self._parts.objects, self._parts.unlocated
        contents = SharedContents(things, *readers, use_cases.archives)
        return Sharing(guests, contents, Drops(guests, use_cases.uploader))

    def _restore(self) -> RestoreServicer:
        store, verifying = self._store, self._parts.verifying
        rows = verifying.records, Restorations(*self._parts.metadata)
        strays = Strays(store, *rows)
        decisions = Decisions(
            store,
            *rows,
            strays,
            ProjectRestorer(store, self._projects.saver),
            quarantine=verifying.quarantine,
            identity=verifying.identity,
        )
        relinks = Relinks(store, *rows, identity=verifying.identity)
        return RestoreServicer(strays, decisions, relinks, self._acts)

    def _use_cases(self, previews: Previews) -> UseCases:
        settings, limits, store, files = self._settings, self._limits, self._store, self._files
        reservations, objects = self._parts.reservations, self._parts.objects
        unlocated, seconds = self._parts.unlocated, settings.link_seconds()
        uploader = Uploader(
            store,
            reservations,
            self._attempts,
            budget=self._memory.incoming,
            limits=limits,
            content=self._content,
            scanner=self._parts.scanner,
        )
        importer = TellingImporter(uploader, self._sources, settings.import_limits(), reservations)
        copier = Copier(store, objects, files, self._attempts, limits=limits, content=self._content)
        return UseCases(
            uploader=uploader,
            sessions=self._sessions,
            downloader=Downloader(objects, files, self._projects_read),
            signer=self._signer,
            links=LinkSigner(self._link_tokens, files, self._signer, unlocated, seconds),
            copier=copier,
            mover=Mover(copier, files, reservations),
            deletions=Deletions(reservations),
            importer=importer,
            batch_importer=BatchImporter(importer),
            saves=self._parts.saves,
            saver=self._projects.saver,
            archive_saver=self._projects.archive_saver,
            rollback=self._projects.rollback,
            archives=self._projects.archives,
            exports=self._projects.exports,
            previews=previews,
            outgoing=self._memory.outgoing,
            draining=self._parts.draining,
            failures=self._failures,
        )

    def _session_parts(self) -> SessionParts:
        return SessionParts(
            store=self._store,
            objects=self._parts.objects,
            gate=self._parts.gate,
            state=SessionState(*self._parts.metadata),
            reservations=self._parts.reservations,
            attempts=self._attempts,
            budget=self._memory.incoming,
            limits=self._limits,
            content=self._content,
            scanner=self._parts.scanner,
        )

    def _project_parts(self) -> ProjectParts:
        settings = self._settings
        return ProjectParts(
            store=self._store,
            objects=self._parts.objects,
            engine=self._engine,
            attempts=self._attempts,
            saves=self._parts.saves,
            reader=self._projects_read,
            files=self._files,
            belongings=Belongings(*self._parts.metadata),
            acts=self._acts,
            reservations=self._parts.reservations,
            settler=self._parts.settler,
            budget=self._memory.incoming,
            archive_memory=self._memory.archives,
            export_manifest_bytes=settings.export_manifest_bytes,
            limits=ProjectLimits(
                settings.project_file_bytes(), settings.max_project_bytes, settings.max_project_files
            ),
            content=self._content,
            scanner=self._parts.scanner,
            failures=self._failures,
            part_size=settings.part_size_bytes,
            looks=ArchiveLooks(self._store, self._parts.archived, settings.transitions),
        )

    def _previews(self) -> Previews:
        return Previews(
            self._parts.objects,
            self._projects_read,
            PreviewTokens(*self._settings.link_secrets()),
            page_seconds=self._settings.preview_page_seconds,
        )

    def _diagnostics(self) -> DiagnosticsServicer:
        limits = upload_limits(
            self._settings.size_rules(),
            self._settings.allowed_types(),
            project_file_bytes=self._settings.project_file_bytes(),
            project_files=self._settings.max_project_files,
        )
        return DiagnosticsServicer(self._parts.internal_calls, limits)


def _link_tokens(settings: StorageSettings) -> LinkTokens:
    if settings.link_secret is None:
        log.warning(
            "links_by_internal_secret",
            advice="set STRONGROOM_LINK_SECRET: links and previews die when the internal secret changes",
        )
    return LinkTokens(*settings.link_secrets())
