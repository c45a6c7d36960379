"""The composition root: the pool, the loops of the process, and the server that ``services`` fills."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client.registry import Collector

from metadata_service import startup
from metadata_service.attempts.cleaning import CleaningWork, Expiry, forgetting
from metadata_service.attempts.groups import Groups
from metadata_service.backlog import Backlog
from metadata_service.config import MetadataSettings
from metadata_service.db.database import SYSTEM, Database, Pool
from metadata_service.db.metrics import CLOCK, DatabaseMetrics
from metadata_service.db.paging import PageTokens
from metadata_service.db.pool import make_pool
from metadata_service.db.revisions import Revisions
from metadata_service.db.standby_lists import StandbyLists
from metadata_service.db.turn import Turn
from metadata_service.erasing.erasures import REST_SECONDS, Erasures
from metadata_service.events.lookout import Lookout
from metadata_service.events.metrics import WatchMetrics
from metadata_service.events.reader import EventReader
from metadata_service.events.wakeups import Waker, connect
from metadata_service.files.deletion import Deleter
from metadata_service.operators import running_acts
from metadata_service.operators.running_acts import RunningActs
from metadata_service.projects.pruning import VersionPruner
from metadata_service.retaining.sweep import RetentionSweep
from metadata_service.servicers import INTERNAL
from metadata_service.servicers.notification_service import NotificationServicer
from metadata_service.services import Parts, Services
from metadata_service.sessions import housekeeping
from metadata_service.shares.owners import forget_ended as forget_shares
from metadata_service.webhooks.deliveries import forget_deliveries
from metadata_service.webhooks.resealing import reseal
from servicekit import background
from servicekit.background import Heartbeats
from servicekit.serving.server import ServerSpec
from servicekit.settings import require


class Application:
    """One metadata_service: `spec` to serve, with `lifespan` around it."""

    def __init__(self, settings: MetadataSettings) -> None:
        require(settings, "internal_secret")
        self._settings = settings
        self._secrets = [secret.encode() for secret in settings.internal_secrets()]
        self._heartbeats = Heartbeats()
        self._pool: Pool = make_pool(settings.database_url.get_secret_value(), settings.pool)
        turn = Turn()
        self._waker = Waker(lambda: connect(settings.session_url), turn, self._heard)
        self._database_metrics = DatabaseMetrics()
        self._database = Database(self._pool, self._waker.committed, self._database_metrics)
        self._lists = StandbyLists.of(settings, self._database)
        self._groups = Groups(self._database, settings.limits) if settings.group_commit else None
        self._backlog = Backlog(self._database, turn)
        self._reader = EventReader(self._database, settings.timing.events)
        self._lookout = Lookout(self._reader)
        self._watched = WatchMetrics()
        self._cleaning = self._made_cleaning()
        self._erasures = self._made_erasures()
        self._retention = self._made_retention()
        self._running_acts = self._made_running_acts()
        notifications = NotificationServicer(self._reader, self._waker, self._lookout, self._watched)
        self.spec = ServerSpec(
            name="metadata_service",
            bind=settings.metadata_bind,
            bind_setting="STRONGROOM_METADATA_BIND",
            add_services=Services(self._parts(), notifications).add_to,
            internal_services=INTERNAL,
            probes={"strongroom.postgres": self._postgres_answers},
            limits=settings,
            heartbeats=self._heartbeats,
            collectors=self._collectors(),
        )

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Open and check the pool. Raises NotReady, SettingError."""
        await startup.open_pool(self._pool, *self._settings.addresses)
        try:
            await startup.check(self._database, self._settings.pool)
            heartbeats = self._heartbeats
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

    def _made_cleaning(self) -> CleaningWork:
        settings = self._settings
        chores = [forget_shares, forget_deliveries(settings.webhook_rules)]
        if settings.old_internal_secrets:
            chores.append(reseal(self._secrets))
        seldom = map(forgetting, chores)
        expiry = Expiry(settings.timing.lease, away=True)
        return CleaningWork(self._database, settings.timing, housekeeping.run, *seldom, expiry=expiry)

    def _made_erasures(self) -> Erasures:
        heartbeat, backups = self._heartbeats.add("erasures", REST_SECONDS), self._settings.backup_days
        return Erasures(self._database, self._settings.timing, heartbeat, backups=backups * 86400)

    def _made_retention(self) -> RetentionSweep:
        settings, often = self._settings, self._settings.retention_sweep_seconds
        return RetentionSweep(
            self._database,
            settings.timing,
            settings.retention,
            self._heartbeats.add("retention", often),
            rest_seconds=often,
            pruner=VersionPruner(self._database, settings.timing, settings.version_rule),
        )

    def _made_running_acts(self) -> RunningActs:
        heartbeat = self._heartbeats.add("acts", running_acts.REST_SECONDS)
        return RunningActs(self._database, heartbeat, self._settings.timing.lease)

    def _parts(self) -> Parts:
        settings = self._settings
        tokens = PageTokens(*self._secrets)
        # Statistics contain prices, and lists contain page tokens: both belong to the entity tags.
        facts = f"{settings.price_per_gb_month} {tokens.seal(['revisions'], [])}"
        return Parts(
            settings=settings,
            database=self._database,
            secrets=self._secrets,
            tokens=tokens,
            revisions=Revisions(facts),
            groups=self._groups,
            horizon=self._reader.horizon,
            deleter=Deleter(self._database, settings.timing, settings.limits),
            cleaning=self._cleaning,
            erasures=self._erasures,
            running_acts=self._running_acts,
        )

    def _collectors(self) -> tuple[Collector, ...]:
        return (
            *((self._groups.metrics,) if self._groups is not None else ()),
            self._cleaning.kept,
            self._database_metrics,
            self._backlog,
            self._watched,
            *self._lists.collectors,
        )
