"""The composition root: the only module that constructs clients and adapters."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

import structlog
from grpc import aio

from servicekit import failpoints
from servicekit.background import Heartbeats, running
from servicekit.channels import make_channel
from servicekit.inprocess import InProcessChannel, InProcessServer
from servicekit.internal_credential import InternalCredential
from servicekit.s3_settings import S3Settings
from servicekit.server import ServerSpec
from servicekit.settings import require
from storage_service.attempts.attempt import Attempts
from storage_service.attempts.budget import ByteBudget, Floor
from storage_service.attempts.engine import WriteEngine
from storage_service.attempts.versioning import VersioningGate
from storage_service.cleaner.assembly import cleaning_loops
from storage_service.config import StorageSettings, reveal
from storage_service.content.limits import Limits
from storage_service.content.types import ContentRules
from storage_service.diagnosis import InternalCalls
from storage_service.import_rules import import_limits, source_timeouts, url_rules
from storage_service.metadata.acts import Acts
from storage_service.metadata.credentials import Credentials
from storage_service.metadata.files import FileReader, LinkedFiles
from storage_service.metadata.projects import ProjectReader, ProjectSaves
from storage_service.metadata.reservations import Reservations
from storage_service.metadata.restoration import Restorations
from storage_service.metadata.sessions import SessionState
from storage_service.metadata.shares import GuestAccess, SharedThings
from storage_service.metadata.verification import VerificationRecords
from storage_service.metrics import StorageMetrics
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.s3.store import S3ObjectStore, open_s3_store
from storage_service.objectstore.values import BucketState, VersioningStatus
from storage_service.projects.assembly import ProjectParts, Projects
from storage_service.projects.limits import ProjectLimits
from storage_service.projects.settler import KeySettler
from storage_service.reading.committed import CommittedReader
from storage_service.reading.damage import DamageReporter
from storage_service.reading.downloads import Downloader
from storage_service.reading.link_tokens import LinkTokens
from storage_service.reading.links import LinkReader, LinkSigner
from storage_service.reading.outgoing import Outgoing
from storage_service.reading.previews import Previews, PreviewTokens
from storage_service.reading.signer import Edge, Signer
from storage_service.repairing.assembly import RepairedVerifying
from storage_service.restoring.assembly import Restoring
from storage_service.servicers.diagnostics import DiagnosticsServicer
from storage_service.servicers.guests import SERVICE as GUESTS
from storage_service.servicers.guests import GuestServicer, add_guest_service
from storage_service.servicers.links import SERVICE as LINKS
from storage_service.servicers.links import LinkServicer, add_link_service
from storage_service.servicers.operators import OperatorServices
from storage_service.servicers.previews import PreviewServicer
from storage_service.servicers.storage import StorageServicer, add_storage_service
from storage_service.servicers.use_cases import UseCases
from storage_service.sessions.assembly import SessionParts, SessionUseCases
from storage_service.sharing.assembly import Sharing
from storage_service.uploads.copier import Copier
from storage_service.uploads.importing.addresses import SystemResolver
from storage_service.uploads.importing.importer import BatchImporter, TellingImporter
from storage_service.uploads.importing.source import SourceClient
from storage_service.uploads.mover import Mover
from storage_service.uploads.upload import Uploader
from strongroom.storage.v1 import diagnostics_service_pb2, preview_pb2
from strongroom.storage.v1.diagnostics_service_pb2_grpc import add_DiagnosticsServiceServicer_to_server
from strongroom.storage.v1.preview_pb2_grpc import add_PreviewServiceServicer_to_server

PREVIEWS: Final = preview_pb2.DESCRIPTOR.services_by_name["PreviewService"].full_name
DIAGNOSTICS: Final = diagnostics_service_pb2.DESCRIPTOR.services_by_name["DiagnosticsService"].full_name


log = structlog.get_logger(__name__)


class StorageApp:
    """One storage_service: what it is made of, from ``open`` to ``aclose``."""

    def __init__(
        self,
        settings: StorageSettings,
        store: ObjectStore,
        heartbeats: Heartbeats,
        metrics: StorageMetrics,
        channel: aio.Channel,
    ) -> None:
        require(settings, "internal_secret")
        self._settings = settings
        self.store = store
        self.gate = VersioningGate(store)
        self._channel = channel
        metadata = self._channel, _internal_credential(settings)
        self._reservations = Reservations(*metadata)
        self._damage = DamageReporter(self._reservations, metrics.damage)
        self._objects = CommittedReader(store, self._damage)
        self._saves, self._projects_read = ProjectSaves(*metadata), ProjectReader(*metadata)
        self._session_state, self._files = SessionState(*metadata), FileReader(*metadata)
        self._settler = KeySettler(store, self._saves)
        self._verifying = RepairedVerifying(
            store,
            VerificationRecords(*metadata),
            self._damage,
            heartbeats,
            metrics.verified,
            rates=settings.verify_rates(),
            rules=settings.repair_rules(),
        )
        self._cleaning = cleaning_loops(
            store,
            self._reservations,
            self._settler.run_once,
            heartbeats,
            often=settings.cleaner_interval_seconds,
            seldom=settings.cleaner_sweep_seconds,
            enabled=settings.cleaner_enabled,
        )
        self.loops = (*self._cleaning, *self._verifying.loops)
        self._engine = WriteEngine(
            self.gate, lease_seconds=settings.upload_lease_seconds, wake_cleaner=self._wake_cleaner
        )
        self._attempts = Attempts(self._reservations, self._engine)
        self._sources = SourceClient(url_rules(settings), SystemResolver(), source_timeouts(settings))
        self._content = ContentRules(settings.allowed_types(), max_pixels=settings.max_picture_pixels)
        self._budget = ByteBudget(
            settings.upload_memory_bytes, Floor(settings.min_body_rate, settings.body_rate_window)
        )
        self._outgoing = Outgoing(settings.download_memory_bytes)
        self._archive_memory = ByteBudget(settings.archive_memory_bytes)
        metrics.budgets.all = {
            "upload": self._budget,
            "download": self._outgoing,
            "archive": self._archive_memory,
        }
        self._signer = Signer(
            store, self._files, public_base_url=settings.public_base_url, edge=edge(settings)
        )
        if settings.link_secret is None:
            log.warning(
                "links_by_internal_secret",
                advice="set STRONGROOM_LINK_SECRET: links and previews die when the internal secret changes",
            )
        self._link_tokens = LinkTokens(*settings.link_secrets())
        links = LinkReader(
            self._link_tokens,
            LinkedFiles(*metadata),
            self._objects,
            self._signer,
            url_seconds=settings.link_redirect_seconds,
        )
        self.link_servicer = LinkServicer(links, self._outgoing, metrics.transfers)
        self._previews = Previews(
            self._objects,
            self._projects_read,
            PreviewTokens(*settings.link_secrets()),
            page_seconds=settings.preview_page_seconds,
        )
        self._projects = Projects(self._project_parts())
        self._limits = Limits(settings.size_rules(), min_part_bytes=settings.part_size_bytes)
        self._sessions = SessionUseCases(self._session_parts())
        use_cases = self._use_cases()
        self.servicer = StorageServicer(use_cases, metrics.transfers)
        shares = GuestAccess(*metadata), SharedThings(*metadata)
        readers = self._files, self._projects_read, self._objects
        sharing = Sharing(shares, readers, use_cases.archives, use_cases.uploader, settings.link_secrets())
        self.guest_servicer = GuestServicer(sharing, self._outgoing)
        self.internal_calls = InternalCalls(Credentials(*metadata), store)
        self.diagnostics_servicer = DiagnosticsServicer(self.internal_calls)
        self.preview_servicer = PreviewServicer(self._previews, self._outgoing, metrics.transfers)
        restoring = Restoring(store, self._verifying, Restorations(*metadata), self._projects.saver)
        secret = _internal_secret(settings).encode()
        self.operators = OperatorServices(self._verifying, restoring, Acts(*metadata), secret)

    def _wake_cleaner(self) -> None:
        for loop in self._cleaning[:2]:
            loop.wake()

    def _use_cases(self) -> UseCases:
        settings, limits, store, files = self._settings, self._limits, self.store, self._files
        uploader = Uploader(
            store,
            self._reservations,
            self._attempts,
            budget=self._budget,
            limits=limits,
            content=self._content,
        )
        importer = TellingImporter(uploader, self._sources, import_limits(settings), self._reservations)
        copier = Copier(store, self._objects, files, self._attempts, limits=limits, content=self._content)
        return UseCases(
            uploader=uploader,
            sessions=self._sessions,
            downloader=Downloader(self._objects, files, self._projects_read),
            signer=self._signer,
            links=LinkSigner(self._link_tokens, files, self._signer, settings.link_seconds()),
            copier=copier,
            mover=Mover(copier, files, self._reservations),
            importer=importer,
            batch_importer=BatchImporter(importer),
            reservations=self._reservations,
            saves=self._saves,
            saver=self._projects.saver,
            archive_saver=self._projects.archive_saver,
            rollback=self._projects.rollback,
            archives=self._projects.archives,
            exports=self._projects.exports,
            previews=self._previews,
            outgoing=self._outgoing,
        )

    def _session_parts(self) -> SessionParts:
        return SessionParts(
            store=self.store,
            objects=self._objects,
            gate=self.gate,
            state=self._session_state,
            reservations=self._reservations,
            attempts=self._attempts,
            budget=self._budget,
            limits=self._limits,
            content=self._content,
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
            reservations=self._reservations,
            settler=self._settler,
            budget=self._budget,
            archive_memory=self._archive_memory,
            limits=ProjectLimits(
                settings.max_project_file_bytes, settings.max_project_bytes, settings.max_project_files
            ),
            content=self._content,
            part_size=settings.part_size_bytes,
        )

    async def aclose(self) -> None:
        """Let attempts be given up, then close channel and store."""
        await self._sessions.aclose()
        await self._engine.aclose()
        await self._sources.aclose()
        await self._damage.aclose()
        await self._channel.close()
        await self.store.aclose()


class Process:
    """The app inside a server: ``lifespan`` opens and closes it, ``add_services`` registers it."""

    def __init__(self, settings: StorageSettings, metadata_service: InProcessServer | None = None) -> None:
        """``metadata_service``: where it runs in this process."""
        self._settings = settings
        self._metadata_service = metadata_service
        self._heartbeats = Heartbeats()
        self._metrics = StorageMetrics()
        self._app: StorageApp | None = None
        self._bucket_state: BucketState | None = None

    def spec(self) -> ServerSpec:
        """For ``servicekit.server.run_server``."""
        return ServerSpec(
            name="storage_service",
            bind=self._settings.storage_bind,
            bind_setting="STRONGROOM_STORAGE_BIND",
            add_services=self._add_services,
            open_services=(PREVIEWS, LINKS, GUESTS),
            probes={
                "strongroom.s3": self._s3_answers,
                "strongroom.versioning": self._keeps_versions,
                "strongroom.internal": self._is_believed,
            },
            heartbeats=self._heartbeats,
            collectors=self._metrics.collectors,
            limits=self._settings,
            # With it windows grow with the bandwidth, and memory with them (docs/decisions/0005).
            options=(("grpc.http2.bdp_probe", 0),),
        )

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """The app and its loops, as long as the server runs."""
        on_mid_body = failpoints.hit_sync if failpoints.armed() else None  # bodies in halves cost CPU
        options = s3_options(self._settings)
        store = open_s3_store(options, on_mid_body=on_mid_body, calls=self._metrics.s3)
        channel = self._channel_to_metadata()
        self._app = app = StorageApp(self._settings, store, self._heartbeats, self._metrics, channel)
        try:
            async with running(*app.loops):
                yield
        finally:
            await app.aclose()

    def _channel_to_metadata(self) -> aio.Channel:
        if self._metadata_service is not None:
            return InProcessChannel(self._metadata_service)
        return make_channel(self._settings.metadata_address, self._settings)

    async def _s3_answers(self) -> bool | str:
        if self._app is None:
            return False
        found = await self._app.store.check()
        if found.state is not self._bucket_state:
            self._bucket_state = found.state
            tell = log.info if found.ok else log.error
            tell("bucket", state=found.state.name.lower(), advice="" if found.ok else found.message)
        return found.ok or found.state.value

    async def _keeps_versions(self) -> bool | str:
        if self._app is None:
            return False
        status = await self._app.gate.status()
        return status is VersioningStatus.ENABLED or status.value

    async def _is_believed(self) -> bool:
        return self._app is not None and await self._app.internal_calls.works()

    def _add_services(self, server: aio.Server) -> Sequence[str]:
        if self._app is None:
            raise RuntimeError("the server registers services inside its lifespan")
        add_PreviewServiceServicer_to_server(self._app.preview_servicer, server)
        add_DiagnosticsServiceServicer_to_server(self._app.diagnostics_servicer, server)
        links = add_link_service(server, self._app.link_servicer)
        links += add_guest_service(server, self._app.guest_servicer)
        links += self._app.operators.add_to(server)
        return [*add_storage_service(server, self._app.servicer), *links, PREVIEWS, DIAGNOSTICS]


def edge(settings: S3Settings) -> Edge | None:
    """The CDN, where it asks for signatures. Raises SettingError for a key that is none."""
    if settings.cloudfront_key_id is None or settings.cloudfront_private_key is None:
        return None
    # Loaded where it is used: the library of keys takes megabytes.
    from storage_service.reading.cloudfront import LATEST, cloudfront_urls  # noqa: PLC0415

    private_key = settings.cloudfront_private_key.get_secret_value()
    return Edge(cloudfront_urls(settings.cloudfront_key_id, private_key), LATEST)


def open_bucket(settings: S3Settings) -> S3ObjectStore:
    """The store by itself, for preparing its bucket."""
    return open_s3_store(s3_options(settings))


def s3_options(settings: S3Settings) -> S3Options:
    """Settings → what the adapter has to be told."""
    options = S3Options(
        bucket=settings.s3_bucket,
        region=settings.s3_region,
        endpoint_url=settings.endpoint_url,
        public_endpoint_url=settings.s3_public_endpoint_url,
        access_key_id=reveal(settings.aws_access_key_id),
        secret_access_key=reveal(settings.aws_secret_access_key),
        session_token=reveal(settings.aws_session_token),
        use_iam_role=settings.s3_use_iam_role,
        use_ssl=settings.s3_use_ssl,
        verify_ssl=settings.s3_verify_ssl,
        addressing_style=settings.s3_addressing_style,
        sign_payload=settings.s3_sign_payload,
        kms_key_id=settings.s3_kms_key_id,
        storage_class=settings.s3_storage_class,
        conditional_writes=settings.s3_conditional_writes,
        multipart_checksum=settings.s3_multipart_checksum,
        connect_timeout=settings.s3_call_seconds / 3,
        read_timeout=settings.s3_call_seconds / 2,
        reply_timeout=settings.s3_call_seconds / 2,
        max_key_bytes=settings.s3_max_key_bytes,
    )
    if settings.s3_sse == "auto":  # AWS encrypts; other stores often answer 501
        return replace(options, encryption="AES256" if options.on_aws else "off")
    return replace(options, encryption=settings.s3_sse)


def _internal_credential(settings: StorageSettings) -> InternalCredential:
    return InternalCredential(_internal_secret(settings), "storage_service")


def _internal_secret(settings: StorageSettings) -> str:
    secret = reveal(settings.internal_secret)
    if secret is None:
        raise RuntimeError("require() has checked that it is set")
    return secret
