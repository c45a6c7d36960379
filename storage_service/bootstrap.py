"""The composition root: the only module that constructs clients and adapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from grpc import aio

from servicekit import failpoints
from servicekit.auth.credentials import InternalCredential
from servicekit.background import BackgroundLoop, Heartbeats
from servicekit.inprocess import InProcessChannel, InProcessServer
from servicekit.outbound import SystemResolver
from servicekit.serving.channels import make_channel
from servicekit.settings import require
from storage_service.attempts.acts import HeldActs
from storage_service.attempts.budget import ByteBudget, Floor
from storage_service.attempts.engine import Attempts, WriteEngine
from storage_service.attempts.failures import FailureTeller
from storage_service.attempts.versioning import VersioningGate
from storage_service.cleaner.assembly import Loops, cleaning_loops
from storage_service.config import StorageSettings, reveal
from storage_service.content.body import Limits
from storage_service.content.types import ContentRules
from storage_service.diagnosis import InternalCalls
from storage_service.draining import REPORT_SECONDS, Draining
from storage_service.media.assembly import MediaReading
from storage_service.metadata.belongings import Belongings
from storage_service.metadata.contents import ArchiveRecords, MediaRecords, ScanRecords
from storage_service.metadata.files import FileReader, LinkedFiles
from storage_service.metadata.operations import Acts, Credentials, Operations
from storage_service.metadata.projects import ProjectReader, ProjectSaves
from storage_service.metadata.reservations import Reservations
from storage_service.metadata.sessions import SessionState
from storage_service.metadata.shares import GuestAccess, SharedThings
from storage_service.metadata.verification import Restorations, VerificationRecords
from storage_service.metadata.webhooks import WebhookDeliveries
from storage_service.metrics import StorageMetrics
from storage_service.objectstore.interface import ObjectStore
from storage_service.projects.assembly import ProjectParts, Projects
from storage_service.projects.limits import ProjectLimits
from storage_service.projects.settler import KeySettler
from storage_service.reading.archive_looks import ArchiveLooks
from storage_service.reading.archived import ArchivedObjects
from storage_service.reading.committed import CommittedReader
from storage_service.reading.damage import DamageReporter
from storage_service.reading.downloads import Downloader
from storage_service.reading.links import LinkReader, LinkSigner, LinkTokens
from storage_service.reading.outgoing import Outgoing
from storage_service.reading.pace import Pace
from storage_service.reading.previews import Previews, PreviewTokens
from storage_service.reading.restores import RestoreWatch
from storage_service.reading.signer import Signer
from storage_service.repairing.assembly import Verifying
from storage_service.rescanning.rescan import Rescan
from storage_service.restoring.assembly import Restoring
from storage_service.scanning.refusals import Refusals
from storage_service.scanning.scanner import Scanner
from storage_service.servicers.diagnostics import DiagnosticsServicer, upload_limits
from storage_service.servicers.guests import GuestServicer
from storage_service.servicers.links import LinkServicer, PreviewServicer
from storage_service.servicers.restore import RestoreServicer
from storage_service.servicers.storage import StorageServicer
from storage_service.servicers.transfers import Transfers
from storage_service.servicers.use_cases import UseCases
from storage_service.servicers.verify import VerifyServicer
from storage_service.sessions.assembly import SessionParts, SessionUseCases
from storage_service.sharing.assembly import Sharing
from storage_service.stores import edge, open_store
from storage_service.uploads.copier import Copier
from storage_service.uploads.deletions import Deletions
from storage_service.uploads.importing.importer import BatchImporter, TellingImporter
from storage_service.uploads.importing.source import SourceClient
from storage_service.uploads.mover import Mover
from storage_service.uploads.upload import Uploader
from storage_service.webhooks.assembly import Webhooks
from storage_service.webhooks.metrics import WebhookMetrics

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


class StorageApp:
    """The parts of one storage_service, from ``open`` to ``aclose``."""

    def __init__(
        self,
        settings: StorageSettings,
        store: ObjectStore,
        heartbeats: Heartbeats,
        metrics: StorageMetrics,
        channel: aio.Channel,
        *,
        requests: Callable[[], int],
    ) -> None:
        require(settings, "internal_secret")
        self._settings = settings
        self.store = store
        self.gate = VersioningGate(store)
        self._channel = channel
        self._metadata = metadata = channel, InternalCredential(_internal_secret(settings), "storage_service")
        records, rules = MediaRecords(*metadata), settings.media_rules()
        self._media = MediaReading(store, records, heartbeats, metrics.media, rules)
        self._reservations = Reservations(*metadata, committed=self._media.committed)
        self._damage = DamageReporter(self._reservations, metrics.damage)
        self._archived = ArchivedObjects(store, ArchiveRecords(*metadata), settings.restore_rules)
        self._objects = CommittedReader(store, self._damage, self._archived)
        self._saves, self._projects_read = ProjectSaves(*metadata), ProjectReader(*metadata)
        self._session_state, self._files = SessionState(*metadata), FileReader(*metadata)
        self._settler = KeySettler(store, self._saves)
        self._verifying = self._made_verifying(heartbeats, metrics)
        self._cleaning = self._cleaning_loops(heartbeats)
        self._webhooks = self._sending_webhooks(heartbeats, metrics.webhooks)
        self._scanner = Scanner(settings.scan_rules(), metrics.scans, Refusals(ScanRecords(*metadata)))
        rescanning = self._rescanning(heartbeats)
        at_work = (
            self._watching_restores(heartbeats),
            *rescanning,
            *self._cleaning,
            *self._verifying.loops,
            *self._media.loops,
            *self._webhooks.loops,
        )
        reporting = heartbeats.add("replica", REPORT_SECONDS)
        self.draining = Draining(Operations(*metadata), reporting, at_work, requests)
        self.loops = (*at_work, self.draining.loop)
        self._engine = WriteEngine(
            self.gate, lease_seconds=settings.upload_lease_seconds, wake_cleaner=self._wake_cleaner
        )
        self._attempts = Attempts(self._reservations, self._engine)
        self._acts = HeldActs(Acts(*metadata))
        self._sources = SourceClient(settings.url_rules(), SystemResolver(), settings.source_timeouts())
        self._content = ContentRules(settings.allowed_types(), max_pixels=settings.max_picture_pixels)
        self._memory = _Memory.of(settings)
        metrics.budgets.all = self._memory.by_name()
        self._failures = FailureTeller(self._reservations)
        self._signer = Signer(
            store, self._files, public_base_url=settings.public_base_url, edge=edge(settings)
        )
        self._link_tokens = _link_tokens(settings)
        self._previews = self._made_previews()
        self._projects = Projects(self._project_parts())
        self._limits = Limits(settings.size_rules(), min_part_bytes=settings.part_size_bytes)
        self._sessions = SessionUseCases(self._session_parts())
        self.identity = self._verifying.identity
        self.internal_calls = InternalCalls(Credentials(*metadata), store, self.identity.elsewhere)
        self._make_servicers(metrics.transfers)

    @classmethod
    def open(
        cls,
        settings: StorageSettings,
        heartbeats: Heartbeats,
        metrics: StorageMetrics,
        metadata_service: InProcessServer | None = None,
        *,
        requests: Callable[[], int],
    ) -> StorageApp:
        """Construct everything, with an own store and channel.

        :param metadata_service: if it runs in this process.
        :param requests: returns the number of requests in progress.
        """
        on_mid_body = failpoints.hit_sync if failpoints.armed() else None  # splitting bodies costs CPU
        store = open_store(settings, on_mid_body=on_mid_body, calls=metrics.s3)
        channel: aio.Channel
        if metadata_service is not None:
            channel = InProcessChannel(metadata_service)
        else:
            channel = make_channel(settings.metadata_address, settings)
        return cls(settings, store, heartbeats, metrics, channel, requests=requests)

    def _make_servicers(self, transfers: Transfers) -> None:
        use_cases, outgoing = self._use_cases(), self._memory.outgoing
        self.servicer = StorageServicer(use_cases, transfers)
        self.link_servicer = LinkServicer(self._link_reader(), outgoing, transfers)
        self.preview_servicer = PreviewServicer(self._previews, outgoing, transfers)
        self.guest_servicer = GuestServicer(self._sharing(use_cases), outgoing, transfers)
        self.diagnostics_servicer = DiagnosticsServicer(
            self.internal_calls,
            upload_limits(
                self._settings.size_rules(),
                self._settings.allowed_types(),
                project_file_bytes=self._settings.project_file_bytes(),
                project_files=self._settings.max_project_files,
            ),
        )
        self.verify_servicer = VerifyServicer(
            self._verifying, self._acts, _internal_secret(self._settings).encode()
        )
        self.restore_servicer = RestoreServicer(self._restoring(), self._acts)

    def _made_verifying(self, heartbeats: Heartbeats, metrics: StorageMetrics) -> Verifying:
        return Verifying(
            self.store,
            VerificationRecords(*self._metadata),
            self._damage,
            heartbeats,
            metrics.verified,
            rates=self._settings.verify_rates(),
            rules=self._settings.repair_rules(),
        )

    def _rescanning(self, heartbeats: Heartbeats) -> tuple[BackgroundLoop, ...]:
        settings, rules, rate = self._settings, self._scanner.rules, self._settings.rescan_bytes_per_second
        if rules is None or not rate:
            return ()
        often = settings.rescan_interval_seconds
        rescan = Rescan(
            self.store,
            ScanRecords(*self._metadata),
            self._scanner,
            rules,
            heartbeats.add("rescan", often),
            pace=Pace(rate),
            rest_seconds=often,
        )
        return (rescan.loop,)

    def _watching_restores(self, heartbeats: Heartbeats) -> BackgroundLoop:
        often = self._settings.s3_restore_look_seconds
        heartbeat, records = heartbeats.add("restores", often), ArchiveRecords(*self._metadata)
        return RestoreWatch(self.store, records, heartbeat, often_seconds=often).loop

    def _cleaning_loops(self, heartbeats: Heartbeats) -> Loops:
        return cleaning_loops(
            self.store,
            self._reservations,
            self._settler.run_once,
            heartbeats,
            may_remove=self._verifying.identity.may_remove,
            often=self._settings.cleaner_interval_seconds,
            seldom=self._settings.cleaner_sweep_seconds,
            enabled=self._settings.cleaner_enabled,
        )

    def _made_previews(self) -> Previews:
        return Previews(
            self._objects,
            self._projects_read,
            PreviewTokens(*self._settings.link_secrets()),
            page_seconds=self._settings.preview_page_seconds,
        )

    def _link_reader(self) -> LinkReader:
        reading = LinkedFiles(*self._metadata), self._objects, self._signer, self._media.unlocated
        return LinkReader(self._link_tokens, *reading, url_seconds=self._settings.link_redirect_seconds)

    def _sharing(self, use_cases: UseCases) -> Sharing:
        shares = GuestAccess(*self._metadata), SharedThings(*self._metadata)
        readers = self._files, self._projects_read, self._objects, self._media.unlocated
        secrets = self._settings.link_secrets()
        return Sharing(shares, readers, use_cases.archives, use_cases.uploader, secrets)

    def _restoring(self) -> Restoring:
        restorations = Restorations(*self._metadata)
        return Restoring(self.store, self._verifying, restorations, self._projects.saver)

    def _sending_webhooks(self, heartbeats: Heartbeats, metrics: WebhookMetrics) -> Webhooks:
        deliveries, settings = WebhookDeliveries(*self._metadata), self._settings
        return Webhooks(deliveries, settings.url_rules(), settings.webhook_pace(), heartbeats, metrics)

    def _wake_cleaner(self) -> None:
        for loop in self._cleaning[:2]:
            loop.wake()

    def _use_cases(self) -> UseCases:
        settings, limits, store, files = self._settings, self._limits, self.store, self._files
        uploader = Uploader(
            store,
            self._reservations,
            self._attempts,
            budget=self._memory.incoming,
            limits=limits,
            content=self._content,
            scanner=self._scanner,
        )
        importer = TellingImporter(uploader, self._sources, settings.import_limits(), self._reservations)
        copier = Copier(store, self._objects, files, self._attempts, limits=limits, content=self._content)
        return UseCases(
            uploader=uploader,
            sessions=self._sessions,
            downloader=Downloader(self._objects, files, self._projects_read),
            signer=self._signer,
            links=LinkSigner(
                self._link_tokens, files, self._signer, self._media.unlocated, settings.link_seconds()
            ),
            copier=copier,
            mover=Mover(copier, files, self._reservations),
            deletions=Deletions(self._reservations),
            importer=importer,
            batch_importer=BatchImporter(importer),
            saves=self._saves,
            saver=self._projects.saver,
            archive_saver=self._projects.archive_saver,
            rollback=self._projects.rollback,
            archives=self._projects.archives,
            exports=self._projects.exports,
            previews=self._previews,
            outgoing=self._memory.outgoing,
            draining=self.draining,
            failures=self._failures,
        )

    def _session_parts(self) -> SessionParts:
        return SessionParts(
            store=self.store,
            objects=self._objects,
            gate=self.gate,
            state=self._session_state,
            reservations=self._reservations,
            attempts=self._attempts,
            budget=self._memory.incoming,
            limits=self._limits,
            content=self._content,
            scanner=self._scanner,
        )

    def _project_parts(self) -> ProjectParts:
        settings = self._settings
        return ProjectParts(
            store=self.store,
            objects=self._objects,
            engine=self._engine,
            attempts=self._attempts,
            saves=self._saves,
            reader=self._projects_read,
            files=self._files,
            belongings=Belongings(*self._metadata),
            acts=self._acts,
            reservations=self._reservations,
            settler=self._settler,
            budget=self._memory.incoming,
            archive_memory=self._memory.archives,
            export_manifest_bytes=settings.export_manifest_bytes,
            limits=ProjectLimits(
                settings.project_file_bytes(), settings.max_project_bytes, settings.max_project_files
            ),
            content=self._content,
            scanner=self._scanner,
            failures=self._failures,
            part_size=settings.part_size_bytes,
            looks=ArchiveLooks(self.store, self._archived, settings.transitions),
        )

    async def aclose(self) -> None:
        """Let attempts be given up, then close channel and store."""
        await self._sessions.aclose()
        await self._media.aclose()
        await self._engine.aclose()
        await self._acts.aclose()
        await self._sources.aclose()
        await self._webhooks.aclose()
        await self._damage.aclose()
        await self._archived.aclose()
        if self._scanner.refusals is not None:
            await self._scanner.refusals.aclose()
        await self._channel.close()
        await self.store.aclose()


def _internal_secret(settings: StorageSettings) -> str:
    secret = reveal(settings.internal_secret)
    if secret is None:
        raise RuntimeError("require() has checked that it is set")
    return secret


def _link_tokens(settings: StorageSettings) -> LinkTokens:
    if settings.link_secret is None:
        log.warning(
            "links_by_internal_secret",
            advice="set STRONGROOM_LINK_SECRET: links and previews die when the internal secret changes",
        )
    return LinkTokens(*settings.link_secrets())
