"""The composition root: the store, the channel, the loops of the process, and the parts for ``services``."""

from __future__ import annotations

from collections.abc import Callable

from grpc import aio

from servicekit import failpoints
from servicekit.auth.credentials import InternalCredential
from servicekit.background import BackgroundLoop, Heartbeats
from servicekit.inprocess import InProcessChannel, InProcessServer
from servicekit.serving.channels import make_channel
from servicekit.settings import require
from storage_service.attempts.versioning import VersioningGate
from storage_service.cleaner.assembly import Loops, cleaning_loops
from storage_service.config import StorageSettings
from storage_service.diagnosis import InternalCalls
from storage_service.draining import REPORT_SECONDS, Draining
from storage_service.media.assembly import MediaReading
from storage_service.metadata.contents import ArchiveRecords, MediaRecords, ScanRecords
from storage_service.metadata.operations import Credentials, Operations
from storage_service.metadata.projects import ProjectSaves
from storage_service.metadata.reservations import Reservations
from storage_service.metadata.verification import VerificationRecords
from storage_service.metadata.webhooks import WebhookDeliveries
from storage_service.metrics import StorageMetrics
from storage_service.objectstore.interface import ObjectStore
from storage_service.projects.settler import KeySettler
from storage_service.reading.archived import ArchivedObjects
from storage_service.reading.committed import CommittedReader
from storage_service.reading.damage import DamageReporter
from storage_service.reading.pace import Pace
from storage_service.reading.restores import RestoreWatch
from storage_service.repairing.assembly import Verifying
from storage_service.rescanning.rescan import Rescan
from storage_service.scanning.refusals import Refusals
from storage_service.scanning.scanner import Scanner
from storage_service.services import Parts, Services
from storage_service.stores import open_store
from storage_service.webhooks.assembly import Webhooks
from storage_service.webhooks.metrics import WebhookMetrics


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
        self.gate = VersioningGate(store, lambda: self.identity.elsewhere())
        self._channel = channel
        self._metadata = metadata = channel, InternalCredential(*settings.internal_secrets())
        records, rules = MediaRecords(*metadata), settings.media_rules()
        self._media = MediaReading(store, records, heartbeats, metrics.media, rules)
        self._reservations = Reservations(*metadata, committed=self._media.committed)
        self._records = VerificationRecords(*metadata)
        self._damage = DamageReporter(self._reservations, self._records, metrics.damage)
        self._archived = ArchivedObjects(store, ArchiveRecords(*metadata), settings.restore_rules)
        self._saves = ProjectSaves(*metadata)
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
        self.identity = self._verifying.identity
        self.internal_calls = InternalCalls(Credentials(*metadata), store, self.identity.elsewhere)
        self.services = Services(self._parts(), metrics)

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

    def _made_verifying(self, heartbeats: Heartbeats, metrics: StorageMetrics) -> Verifying:
        return Verifying(
            self.store,
            self._records,
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

    def _sending_webhooks(self, heartbeats: Heartbeats, metrics: WebhookMetrics) -> Webhooks:
        deliveries, settings = WebhookDeliveries(*self._metadata), self._settings
        return Webhooks(deliveries, settings.url_rules(), settings.webhook_pace(), heartbeats, metrics)

    def _parts(self) -> Parts:
        return Parts(
            settings=self._settings,
            store=self.store,
            gate=self.gate,
            metadata=self._metadata,
            secret=self._settings.internal_secrets()[0].encode(),
            reservations=self._reservations,
            saves=self._saves,
            settler=self._settler,
            objects=CommittedReader(self.store, self._damage, self._archived),
            archived=self._archived,
            unlocated=self._media.unlocated,
            scanner=self._scanner,
            verifying=self._verifying,
            internal_calls=self.internal_calls,
            draining=self.draining,
            wake_cleaner=self._wake_cleaner,
        )

    def _wake_cleaner(self) -> None:
        for loop in self._cleaning[:2]:
            loop.wake()

    async def aclose(self) -> None:
        """Let attempts be given up, then close channel and store."""
        await self.services.aclose()
        await self._media.aclose()
        await self._webhooks.aclose()
        await self._damage.aclose()
        await self._archived.aclose()
        if self._scanner.refusals is not None:
            await self._scanner.refusals.aclose()
        await self._channel.close()
        await self.store.aclose()
