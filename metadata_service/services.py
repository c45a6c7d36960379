"""Builds the gRPC services and their use cases from the parts of the process, for ``bootstrap``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grpc import aio

from metadata_service.archived import ArchiveRestores
from metadata_service.attempts.cleaning import CleaningWork
from metadata_service.attempts.commit import Committer
from metadata_service.attempts.groups import Groups
from metadata_service.attempts.operating import Operating
from metadata_service.attempts.reservation import Reserver
from metadata_service.attempts.steps import AttemptSteps
from metadata_service.audit import Acts
from metadata_service.config import MetadataSettings
from metadata_service.damage import DamageReports
from metadata_service.db.database import Database
from metadata_service.db.paging import PageTokens
from metadata_service.db.revisions import Revisions
from metadata_service.erasing.erasures import Erasures
from metadata_service.erasing.receipt import Receipts
from metadata_service.events.horizon import Horizon
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
from metadata_service.operators.infected import Infected
from metadata_service.operators.reindexing import Reindexing
from metadata_service.operators.replicas import Replicas
from metadata_service.operators.running_acts import RunningActs
from metadata_service.projects.commit import SaveCommitter
from metadata_service.projects.keys import ProjectKeys
from metadata_service.projects.labels import VersionLabels
from metadata_service.projects.pruning import VersionRules
from metadata_service.projects.queries import ProjectQueries
from metadata_service.projects.removal import ProjectRemover
from metadata_service.projects.staging import SaveStager
from metadata_service.projects.start import SaveStarter
from metadata_service.restoring.adoption import Adopter
from metadata_service.restoring.relinking import Relinker
from metadata_service.retaining.retainer import Retainer
from metadata_service.scanning import Scanning
from metadata_service.servicers import NAMES
from metadata_service.servicers.admin_service import AdminServicer
from metadata_service.servicers.content_service import ArchiveServicer, MediaInfoServicer, ScanServicer
from metadata_service.servicers.event_media_service import EventMediaServicer
from metadata_service.servicers.file_service import FileServicer, LinkedFileServicer
from metadata_service.servicers.generation_service import GenerationServicer
from metadata_service.servicers.notification_service import NotificationServicer
from metadata_service.servicers.operations_service import CredentialServicer, OperationsServicer
from metadata_service.servicers.project_save_service import ProjectSaveServicer
from metadata_service.servicers.project_service import PreviewedFileServicer, ProjectServicer
from metadata_service.servicers.reservation_service import ReservationServicer
from metadata_service.servicers.retention_service import RetentionServicer
from metadata_service.servicers.share_service import GuestAccessServicer, ShareServicer
from metadata_service.servicers.upload_session_service import UploadSessionServicer
from metadata_service.servicers.usage_service import UsageServicer
from metadata_service.servicers.verification_service import RestorationServicer, VerificationServicer
from metadata_service.servicers.webhook_service import WebhookDeliveryServicer, WebhookServicer
from metadata_service.sessions.ending import SessionEnder, keep_partial
from metadata_service.sessions.opening import SessionOpener
from metadata_service.sessions.progress import ProgressRecorder
from metadata_service.sessions.reading import SessionReader
from metadata_service.shares.guests import GuestAccess
from metadata_service.shares.making import ShareMaker
from metadata_service.shares.owners import OwnersShares
from metadata_service.shares.passwords import Passwords
from metadata_service.shares.tokens import SealedTokens
from metadata_service.usage.costs import Costs
from metadata_service.usage.queries import OwnersUsage, UsageQueries
from metadata_service.webhooks.claims import DeliveryClaims
from metadata_service.webhooks.deliveries import Deliveries
from metadata_service.webhooks.making import WebhookMaker
from metadata_service.webhooks.owners import OwnersWebhooks
from metadata_service.webhooks.secrets import SealedSecrets
from metadata_service.webhooks.targets import TargetRules
from servicekit.reports import ReportSigner
from strongroom.metadata.v1.admin_service_pb2_grpc import add_AdminServiceServicer_to_server
from strongroom.metadata.v1.archive_service_pb2_grpc import add_ArchiveServiceServicer_to_server
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
from strongroom.metadata.v1.webhook_delivery_service_pb2_grpc import (
    add_WebhookDeliveryServiceServicer_to_server,
)
from strongroom.metadata.v1.webhook_service_pb2_grpc import add_WebhookServiceServicer_to_server


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of the process that its services share. `groups` is None without group commit; `secrets` are
    the internal ones, from which keys are derived, the current one first.
    """

    settings: MetadataSettings
    database: Database
    secrets: Sequence[bytes]
    tokens: PageTokens
    revisions: Revisions
    groups: Groups | None
    horizon: Horizon
    deleter: Deleter
    cleaning: CleaningWork
    erasures: Erasures
    running_acts: RunningActs


class Services:
    """Adds the services to a server. ``notifications``: built beside the loops that wake watchers."""

    def __init__(self, parts: Parts, notifications: NotificationServicer) -> None:
        self._parts = parts
        self._notifications = notifications
        self._database, self._tokens, self._revisions = parts.database, parts.tokens, parts.revisions
        self._settings = parts.settings
        self._timing, self._limits = parts.settings.timing, parts.settings.limits
        self._files = FileQueries(parts.database, parts.tokens)
        self._projects = ProjectQueries(parts.database, parts.tokens)
        self._sealing = Sealing(*parts.secrets)

    def add_to(self, server: aio.Server) -> Sequence[str]:
        """Register all of them; returns their full names."""
        self._add_files(server)
        self._add_contents(server)
        self._add_attempts(server)
        self._add_projects(server)
        self._add_usage(server)
        self._add_shares(server)
        self._add_webhooks(server)
        self._add_verification(server)
        self._add_operations(server)
        add_NotificationServiceServicer_to_server(self._notifications, server)
        return NAMES

    def _add_files(self, server: aio.Server) -> None:
        database, tokens, files = self._database, self._tokens, self._files
        folding, turns = Folding(database), SearchTurns(self._settings.database_pool_max)
        pages, links = NewestFirst(database, tokens, folding, turns), Links(database, files)
        servicer = FileServicer(
            files,
            Editor(database),
            self._parts.deleter,
            links,
            trash=Trash(database, tokens, self._timing),
            folders=Folders(database, files, tokens, self._timing),
            searcher=Searcher(database, tokens, folding, turns),
            revisions=self._revisions,
        )
        add_FileServiceServicer_to_server(servicer, server)
        add_LinkedFileServiceServicer_to_server(LinkedFileServicer(links), server)
        generations = GenerationQueries(database, files, pages)
        price = self._settings.price_per_gb_month
        add_GenerationServiceServicer_to_server(
            GenerationServicer(generations, price, self._revisions), server
        )
        event_media = EventMediaServicer(EventMedia(database, pages), self._revisions)
        add_EventMediaServiceServicer_to_server(event_media, server)

    def _add_contents(self, server: aio.Server) -> None:
        add_MediaInfoServiceServicer_to_server(MediaInfoServicer(Media(self._database)), server)
        add_ScanServiceServicer_to_server(ScanServicer(Scanning(self._database)), server)
        add_ArchiveServiceServicer_to_server(ArchiveServicer(ArchiveRestores(self._database)), server)

    def _add_attempts(self, server: aio.Server) -> None:
        database, timing, limits, parts = self._database, self._timing, self._limits, self._parts
        reserver = Reserver(
            database,
            timing,
            limits,
            parts.groups,
            sealing=self._sealing,
            retention=self._settings.retention,
            classes=self._settings.upload_classes,
        )
        reservations = ReservationServicer(
            reserver,
            AttemptSteps(database, timing, limits),
            Committer(database, timing, limits, keep_partial, parts.groups),
            parts.deleter,
            parts.cleaning,
            damage=DamageReports(database),
        )
        add_ReservationServiceServicer_to_server(reservations, server)
        sessions = UploadSessionServicer(
            opener=SessionOpener(database, timing, reserver, limits.open_sessions),
            reader=SessionReader(database, timing),
            recorder=ProgressRecorder(database, timing, limits),
            ender=SessionEnder(database),
        )
        add_UploadSessionServiceServicer_to_server(sessions, server)

    def _add_projects(self, server: aio.Server) -> None:
        database, timing = self._database, self._timing
        labels, rules = VersionLabels(database), VersionRules(database, self._settings.version_rule)
        projects = ProjectServicer(self._projects, labels, rules, self._revisions)
        add_ProjectServiceServicer_to_server(projects, server)
        add_PreviewedFileServiceServicer_to_server(PreviewedFileServicer(self._projects), server)
        saves = ProjectSaveServicer(
            database=database,
            starter=SaveStarter(database, timing, self._settings.upload_classes),
            stager=SaveStager(database, timing, self._limits),
            committer=SaveCommitter(database, timing, keep=self._settings.retention.keep.get("projects")),
            remover=ProjectRemover(database, timing),
            keys=ProjectKeys(database, timing, self._parts.cleaning.expiry),
        )
        add_ProjectSaveServiceServicer_to_server(saves, server)

    def _add_usage(self, server: aio.Server) -> None:
        settings = self._settings
        costs = Costs(self._database, settings.costs, settings.transitions)
        usage = UsageServicer(UsageQueries(self._database, self._limits), self._revisions, costs)
        add_UsageServiceServicer_to_server(usage, server)
        retention = RetentionServicer(Retainer(self._database), settings.retention, self._timing.soft_delete)
        add_RetentionServiceServicer_to_server(retention, server)

    def _add_shares(self, server: aio.Server) -> None:
        database, passwords = self._database, Passwords()
        maker = ShareMaker(
            database,
            self._files,
            self._projects.pinned_version,
            passwords,
            SealedTokens(*self._parts.secrets),
            keep=self._timing.idempotency,
            classes=self._settings.upload_classes,
        )
        shares = ShareServicer(maker, OwnersShares(database, self._tokens, passwords), self._revisions)
        add_ShareServiceServicer_to_server(shares, server)
        guests = GuestAccessServicer(GuestAccess(database, passwords))
        add_GuestAccessServiceServicer_to_server(guests, server)

    def _add_webhooks(self, server: aio.Server) -> None:
        database, tokens, rules = self._database, self._tokens, self._settings.webhook_rules
        secrets = SealedSecrets(*self._parts.secrets)
        targets = TargetRules(self._settings.outbound_ports, self._settings.import_allow_hosts)
        webhooks = WebhookServicer(
            WebhookMaker(database, secrets, targets, rules, self._parts.horizon),
            OwnersWebhooks(database, tokens, secrets, targets),
            Deliveries(database, tokens, rules.events),
        )
        add_WebhookServiceServicer_to_server(webhooks, server)
        deliveries = WebhookDeliveryServicer(DeliveryClaims(database, secrets, rules, self._parts.horizon))
        add_WebhookDeliveryServiceServicer_to_server(deliveries, server)

    def _add_verification(self, server: aio.Server) -> None:
        verification = VerificationServicer(self._database, self._timing)
        add_VerificationServiceServicer_to_server(verification, server)
        adopter = Adopter(self._database, self._timing, self._limits, self._sealing)
        restoration = RestorationServicer(adopter, Relinker(self._database))
        add_RestorationServiceServicer_to_server(restoration, server)

    def _add_operations(self, server: aio.Server) -> None:
        database, tokens, parts = self._database, self._tokens, self._parts
        replicas = Replicas(database)
        admin = AdminServicer(
            OwnersUsage(database, tokens, self._limits),
            Acts(database),
            parts.erasures,
            Receipts(database, ReportSigner(parts.secrets[0])),
            Operating(database, tokens),
            replicas=replicas,
            reindexing=Reindexing(database),
            infected=Infected(database, tokens),
        )
        add_AdminServiceServicer_to_server(admin, server)
        operations = OperationsServicer(database, parts.running_acts, replicas)
        add_OperationsServiceServicer_to_server(operations, server)
        add_CredentialServiceServicer_to_server(CredentialServicer(), server)
