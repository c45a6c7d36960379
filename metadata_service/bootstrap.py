"""The composition root: the only place that constructs the pool, the use cases and the servicers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from grpc import aio

from metadata_service import startup
from metadata_service.attempts.cleaning import CleaningWork, forgetting
from metadata_service.attempts.commit import Committer
from metadata_service.attempts.groups import Groups
from metadata_service.attempts.operating import Operating
from metadata_service.attempts.reservation import Reserver
from metadata_service.attempts.silence import Silence
from metadata_service.attempts.steps import AttemptSteps
from metadata_service.audit import Acts
from metadata_service.backlog import Backlog
from metadata_service.config import MetadataSettings
from metadata_service.damage import DamageReports
from metadata_service.db.database import SYSTEM, Database, Pool
from metadata_service.db.lists import ListsAway
from metadata_service.db.metrics import CLOCK, DatabaseMetrics
from metadata_service.db.paging import PageTokens
from metadata_service.db.pool import make_pool
from metadata_service.db.revisions import Revisions
from metadata_service.db.turn import Turn
from metadata_service.erasing.erasures import REST_SECONDS, Erasures
from metadata_service.erasing.receipt import Receipts
from metadata_service.events.lookout import Lookout
from metadata_service.events.metrics import WatchMetrics
from metadata_service.events.reader import EventReader
from metadata_service.events.wakeups import Waker, connect
from metadata_service.files.carried import Sealing
from metadata_service.files.deletion import Deleter
from metadata_service.files.edits import Editor
from metadata_service.files.event_media import EventMedia
from metadata_service.files.filters import Folding
from metadata_service.files.folders import Folders
from metadata_service.files.generations import GenerationQueries
from metadata_service.files.links import Links
from metadata_service.files.media import Media
from metadata_service.files.newest_first import NewestFirst
from metadata_service.files.queries import FileQueries
from metadata_service.files.search import Searcher
from metadata_service.files.search_turns import SearchTurns
from metadata_service.files.trash import Trash
from metadata_service.operators import running_acts
from metadata_service.operators.infected import Infected
from metadata_service.operators.reindexing import Reindexing
from metadata_service.operators.replicas import Replicas
from metadata_service.operators.running_acts import RunningActs
from metadata_service.projects.commit import SaveCommitter
from metadata_service.projects.keys import ProjectKeys
from metadata_service.projects.labels import VersionLabels
from metadata_service.projects.pruning import VersionPruner, VersionRules
from metadata_service.projects.queries import ProjectQueries
from metadata_service.projects.removal import ProjectRemover
from metadata_service.projects.staging import SaveStager
from metadata_service.projects.start import SaveStarter
from metadata_service.restoring.adoption import Adopter
from metadata_service.restoring.relinking import Relinker
from metadata_service.retaining.retainer import Retainer
from metadata_service.retaining.sweep import RetentionSweep
from metadata_service.scanning import Scanning
from metadata_service.servicers import INTERNAL, NAMES
from metadata_service.servicers.admin_service import AdminServicer
from metadata_service.servicers.archive_service import add_archive_service
from metadata_service.servicers.credential_service import CredentialServicer
from metadata_service.servicers.event_media_service import EventMediaServicer
from metadata_service.servicers.file_service import FileServicer
from metadata_service.servicers.generation_service import GenerationServicer
from metadata_service.servicers.guest_access_service import GuestAccessServicer
from metadata_service.servicers.linked_file_service import LinkedFileServicer
from metadata_service.servicers.media_info_service import MediaInfoServicer
from metadata_service.servicers.notification_service import NotificationServicer
from metadata_service.servicers.operations_service import OperationsServicer
from metadata_service.servicers.previewed_file_service import PreviewedFileServicer
from metadata_service.servicers.project_save_service import ProjectSaveServicer
from metadata_service.servicers.project_service import ProjectServicer
from metadata_service.servicers.reservation_service import ReservationServicer
from metadata_service.servicers.restoration_service import RestorationServicer
from metadata_service.servicers.retention_service import RetentionServicer
from metadata_service.servicers.scan_service import ScanServicer
from metadata_service.servicers.share_service import ShareServicer
from metadata_service.servicers.upload_session_service import UploadSessionServicer
from metadata_service.servicers.usage_service import UsageServicer
from metadata_service.servicers.verification_service import VerificationServicer
from metadata_service.servicers.webhook_service import add_webhook_services
from metadata_service.sessions import housekeeping
from metadata_service.sessions.ending import SessionEnder, keep_partial
from metadata_service.sessions.opening import SessionOpener
from metadata_service.sessions.progress import ProgressRecorder
from metadata_service.sessions.reading import SessionReader
from metadata_service.shares.guests import GuestAccess
from metadata_service.shares.housekeeping import run as forget_shares
from metadata_service.shares.making import ShareMaker
from metadata_service.shares.owners import OwnersShares
from metadata_service.shares.passwords import Passwords
from metadata_service.shares.tokens import SealedTokens
from metadata_service.usage.costs import Costs
from metadata_service.usage.owners import OwnersUsage
from metadata_service.usage.queries import UsageQueries
from metadata_service.webhooks.assembly import Webhooks
from metadata_service.webhooks.housekeeping import forget_deliveries
from servicekit import background
from servicekit.reports import ReportSigner
from servicekit.serving.server import ServerSpec
from servicekit.settings import require
from strongroom.metadata.v1.admin_service_pb2_grpc import add_AdminServiceServicer_to_server
from strongroom.metadata.v1.credential_service_pb2_grpc import add_CredentialServiceServicer_to_server
from strongroom.metadata.v1.event_media_service_pb2_grpc import add_EventMediaServiceServicer_to_server
from strongroom.metadata.v1.file_service_pb2_grpc import add_FileServiceServicer_to_server
from strongroom.metadata.v1.generation_service_pb2_grpc import add_GenerationServiceServicer_to_server
from strongroom.metadata.v1.guest_access_service_pb2_grpc import add_GuestAccessServiceServicer_to_server
from strongroom.metadata.v1.linked_file_service_pb2_grpc import add_LinkedFileServiceServicer_to_server
from strongroom.metadata.v1.media_info_service_pb2_grpc import add_MediaInfoServiceServicer_to_server
from strongroom.metadata.v1.notification_service_pb2_grpc import add_NotificationServiceServicer_to_server
from strongroom.metadata.v1.operations_service_pb2_grpc import add_OperationsServiceServicer_to_server
from strongroom.metadata.v1.previewed_file_service_pb2_grpc import add_PreviewedFileServiceServicer_to_server
from strongroom.metadata.v1.project_save_service_pb2_grpc import add_ProjectSaveServiceServicer_to_server
from strongroom.metadata.v1.project_service_pb2_grpc import add_ProjectServiceServicer_to_server
from strongroom.metadata.v1.reservation_service_pb2_grpc import add_ReservationServiceServicer_to_server
from strongroom.metadata.v1.restoration_service_pb2_grpc import add_RestorationServiceServicer_to_server
from strongroom.metadata.v1.retention_service_pb2_grpc import add_RetentionServiceServicer_to_server
from strongroom.metadata.v1.scan_service_pb2_grpc import add_ScanServiceServicer_to_server
from strongroom.metadata.v1.share_service_pb2_grpc import add_ShareServiceServicer_to_server
from strongroom.metadata.v1.upload_session_service_pb2_grpc import add_UploadSessionServiceServicer_to_server
from strongroom.metadata.v1.usage_service_pb2_grpc import add_UsageServiceServicer_to_server
from strongroom.metadata.v1.verification_service_pb2_grpc import add_VerificationServiceServicer_to_server


class Application:
    """One metadata_service: `spec` to serve, with `lifespan` around it."""

    def __init__(self, settings: MetadataSettings) -> None:
        require(settings, "internal_secret")
        self._settings = settings
        self._pool: Pool = make_pool(settings.database_url.get_secret_value(), settings.pool)
        turn = Turn()
        self._waker = Waker(lambda: connect(settings.session_url), turn, self._heard)
        self._database_metrics = DatabaseMetrics()
        self._database = Database(self._pool, self._waker.committed, self._database_metrics)
        self._lists = ListsAway.of(settings, self._database)
        self._groups = Groups(self._database, settings.limits) if settings.group_commit else None
        self._backlog = Backlog(self._database, turn)
        self._reader = EventReader(self._database, settings.timing.events)
        self._lookout = Lookout(self._reader)
        self._watched = WatchMetrics()
        self._deleter = Deleter(self._database, settings.timing, settings.limits)
        secret = settings.internal_secret
        # Statistics contain prices, and lists contain page tokens: both belong to the entity tags.
        facts = f"{settings.price_per_gb_month} {self._page_tokens().seal(['revisions'], [])}"
        self._revisions = Revisions(facts)
        self._sealing = Sealing(secret.get_secret_value().encode()) if secret is not None else None
        self._silence = Silence(settings.timing.lease, away=True)
        seldom = forgetting(forget_shares), forgetting(forget_deliveries(settings.webhook_rules))
        self._cleaning = CleaningWork(
            self._database, settings.timing, housekeeping.run, *seldom, silence=self._silence
        )
        groups = (self._groups.metrics,) if self._groups is not None else ()
        self.spec = ServerSpec(
            name="metadata_service",
            bind=settings.metadata_bind,
            bind_setting="STRONGROOM_METADATA_BIND",
            add_services=self._add_services,
            internal_services=INTERNAL,
            probes={"strongroom.postgres": self._postgres_answers},
            limits=settings,
            collectors=(
                *groups,
                self._cleaning.kept,
                self._database_metrics,
                self._backlog,
                self._watched,
                *self._lists.collectors,
            ),
        )
        self._erasures = Erasures(
            self._database,
            settings.timing,
            self.spec.heartbeats.add("erasures", REST_SECONDS),
            backups=settings.backup_days * 86400,
        )
        self._retention = RetentionSweep(
            self._database,
            settings.timing,
            settings.retention,
            self.spec.heartbeats.add("retention", settings.retention_sweep_seconds),
            rest_seconds=settings.retention_sweep_seconds,
            pruner=VersionPruner(self._database, settings.timing, settings.version_rule),
        )
        self._running_acts = RunningActs(
            self._database,
            self.spec.heartbeats.add("acts", running_acts.REST_SECONDS),
            settings.timing.lease,
        )

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Open and check the pool. Raises NotReady, SettingError."""
        await startup.open_pool(self._pool, *self._settings.addresses)
        try:
            await startup.check(self._database, self._settings.pool)
            heartbeats = self.spec.heartbeats
            async with (
                self._waker.running(heartbeats),
                self._lookout.running(heartbeats),
                background.running(self._erasures.loop, self._running_acts.loop, self._retention.loop),
                self._backlog.running(heartbeats),
                self._lists.running(heartbeats),
            ):
                yield
        finally:
            if self._groups is not None:
                await self._groups.drained()
            await self._pool.close()

    def _heard(self, owner_id: str) -> None:
        self._lists.wrote(owner_id)

    async def _postgres_answers(self) -> bool | str:
        [(clock,)] = await self._database.read(SYSTEM, CLOCK)
        self._database_metrics.clock(clock - time.time())
        return self._database.takes_writes or "refuses_writes"

    def _add_services(self, server: aio.Server) -> Sequence[str]:
        self._add_files(server)
        self._add_attempts(server)
        self._add_projects(server)
        self._add_admin(server)
        self._add_shares(server)
        self._add_webhooks(server)
        add_NotificationServiceServicer_to_server(
            NotificationServicer(self._reader, self._waker, self._lookout, self._watched), server
        )
        add_CredentialServiceServicer_to_server(CredentialServicer(), server)
        add_VerificationServiceServicer_to_server(
            VerificationServicer(self._database, self._settings.timing), server
        )
        return NAMES

    def _add_files(self, server: aio.Server) -> None:
        database, limits = self._database, self._settings.limits
        tokens = self._page_tokens()
        folding = Folding(database)
        turns = SearchTurns(self._settings.database_pool_max)
        files, pages = FileQueries(database, tokens), NewestFirst(database, tokens, folding, turns)
        links = Links(database, files)
        servicer = FileServicer(
            files,
            Editor(database),
            self._deleter,
            links,
            trash=Trash(database, tokens, self._settings.timing),
            folders=Folders(database, files, tokens, self._settings.timing),
            searcher=Searcher(database, tokens, folding, turns),
            revisions=self._revisions,
        )
        add_FileServiceServicer_to_server(servicer, server)
        add_LinkedFileServiceServicer_to_server(LinkedFileServicer(links), server)
        add_MediaInfoServiceServicer_to_server(MediaInfoServicer(Media(database)), server)
        add_ScanServiceServicer_to_server(ScanServicer(Scanning(database)), server)
        add_archive_service(database, server)
        add_GenerationServiceServicer_to_server(
            GenerationServicer(
                GenerationQueries(database, files, pages), self._settings.price_per_gb_month, self._revisions
            ),
            server,
        )
        media = EventMedia(database, pages)
        add_EventMediaServiceServicer_to_server(EventMediaServicer(media, self._revisions), server)
        usage = UsageQueries(database, limits)
        add_UsageServiceServicer_to_server(
            UsageServicer(usage, self._revisions, self._costs(database)), server
        )
        retention = RetentionServicer(
            Retainer(database), self._settings.retention, self._settings.timing.soft_delete
        )
        add_RetentionServiceServicer_to_server(retention, server)

    def _add_attempts(self, server: aio.Server) -> None:
        database, timing, limits = self._database, self._settings.timing, self._settings.limits
        reserver = Reserver(
            database,
            timing,
            limits,
            self._groups,
            sealing=self._sealing,
            retention=self._settings.retention,
            classes=self._settings.upload_classes,
        )
        add_ReservationServiceServicer_to_server(
            ReservationServicer(
                reserver,
                AttemptSteps(database, timing, limits),
                Committer(database, timing, limits, keep_partial, self._groups),
                self._deleter,
                self._cleaning,
                damage=DamageReports(database),
            ),
            server,
        )
        add_RestorationServiceServicer_to_server(
            RestorationServicer(Adopter(database, timing, limits, self._sealing), Relinker(database)), server
        )
        add_UploadSessionServiceServicer_to_server(
            UploadSessionServicer(
                opener=SessionOpener(database, timing, reserver, limits.open_sessions),
                reader=SessionReader(database, timing),
                recorder=ProgressRecorder(database, timing, limits),
                ender=SessionEnder(database),
            ),
            server,
        )

    def _add_projects(self, server: aio.Server) -> None:
        database, timing, limits = self._database, self._settings.timing, self._settings.limits
        queries = ProjectQueries(database, self._page_tokens())
        labels = VersionLabels(database)
        rules = VersionRules(database, self._settings.version_rule)
        servicer = ProjectServicer(queries, labels, rules, self._revisions)
        add_ProjectServiceServicer_to_server(servicer, server)
        add_PreviewedFileServiceServicer_to_server(PreviewedFileServicer(queries), server)
        add_ProjectSaveServiceServicer_to_server(
            ProjectSaveServicer(
                database=database,
                starter=SaveStarter(database, timing, self._settings.upload_classes),
                stager=SaveStager(database, timing, limits),
                committer=SaveCommitter(database, timing, keep=self._settings.retention.keep.get("projects")),
                remover=ProjectRemover(database, timing),
                keys=ProjectKeys(database, timing, self._silence),
            ),
            server,
        )

    def _add_admin(self, server: aio.Server) -> None:
        database = self._database
        owners = OwnersUsage(database, self._page_tokens(), self._settings.limits)
        receipts = Receipts(database, ReportSigner(self._secret()))
        replicas = Replicas(database)
        add_AdminServiceServicer_to_server(
            AdminServicer(
                owners,
                Acts(database),
                self._erasures,
                receipts,
                Operating(database, self._page_tokens()),
                replicas=replicas,
                reindexing=Reindexing(database),
                infected=Infected(database, self._page_tokens()),
            ),
            server,
        )
        add_OperationsServiceServicer_to_server(
            OperationsServicer(database, self._running_acts, replicas), server
        )

    def _add_shares(self, server: aio.Server) -> None:
        database, tokens, passwords = self._database, self._page_tokens(), Passwords()
        maker = ShareMaker(
            database,
            FileQueries(database, tokens),
            ProjectQueries(database, tokens).pinned_version,
            passwords,
            SealedTokens(self._secret()),
            keep=self._settings.timing.idempotency,
            classes=self._settings.upload_classes,
        )
        add_ShareServiceServicer_to_server(
            ShareServicer(maker, OwnersShares(database, tokens, passwords), self._revisions), server
        )
        add_GuestAccessServiceServicer_to_server(
            GuestAccessServicer(GuestAccess(database, passwords)), server
        )

    def _add_webhooks(self, server: aio.Server) -> None:
        settings = self._settings
        webhooks = Webhooks(
            self._database,
            self._page_tokens(),
            self._secret(),
            settings.webhook_rules,
            self._reader.horizon,
            ports=settings.outbound_ports,
            allow_hosts=settings.import_allow_hosts,
        )
        add_webhook_services(server, webhooks)

    def _costs(self, database: Database) -> Costs:
        return Costs(database, self._settings.costs, self._settings.transitions)

    def _page_tokens(self) -> PageTokens:
        return PageTokens(self._secret())

    def _secret(self) -> bytes:
        secret = self._settings.internal_secret
        return secret.get_secret_value().encode() if secret is not None else b""
