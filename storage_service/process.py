"""The process: the app inside a gRPC server, its probes and its metrics."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

import structlog
from grpc import aio

from servicekit.background import Heartbeats, running
from servicekit.drain import Drain
from servicekit.inprocess import InProcessServer
from servicekit.options import NO_PROBE
from servicekit.serving.server import ServerSpec
from storage_service.bootstrap import StorageApp
from storage_service.config import StorageSettings
from storage_service.metrics import StorageMetrics
from storage_service.objectstore.values import BucketState, VersioningStatus
from storage_service.services import OPEN

log = structlog.get_logger(__name__)


class Process:
    """The app inside a server: ``lifespan`` opens and closes it, ``add_services`` registers it."""

    def __init__(self, settings: StorageSettings, metadata_service: InProcessServer | None = None) -> None:
        """:param metadata_service: if it runs in this process."""
        self._settings = settings
        self._metadata_service = metadata_service
        self._heartbeats = Heartbeats()
        self._metrics = StorageMetrics()
        self._app: StorageApp | None = None
        self._bucket_state: BucketState | None = None
        self._drains = Drain(), Drain()

    def is_drained(self) -> bool:
        """Whether operators drain this process."""
        return self._app is not None and self._app.draining.is_on

    def spec(self) -> ServerSpec:
        """The server's description, for ``servicekit.serving.server.run_server``."""
        return ServerSpec(
            name="storage_service",
            bind=self._settings.storage_bind,
            bind_setting="STRONGROOM_STORAGE_BIND",
            add_services=self._add_services,
            open_services=OPEN,
            probes={
                "strongroom.s3": self._s3_answers,
                "strongroom.versioning": self._keeps_versions,
                "strongroom.internal": self._is_believed,
            },
            heartbeats=self._heartbeats,
            serves=self._serves,
            drain=self._drains[0],
            inner_drain=self._drains[1],
            collectors=self._metrics.collectors,
            limits=self._settings,
            options=(NO_PROBE,),
        )

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Run the app and its loops while the server runs."""
        self._app = app = StorageApp.open(
            self._settings,
            self._heartbeats,
            self._metrics,
            self._metadata_service,
            requests=self._requests,
        )
        try:
            async with running(*app.loops):
                yield
        finally:
            await app.aclose()

    def _requests(self) -> int:
        return sum(drain.active for drain in self._drains)

    async def _serves(self) -> bool | str:
        return "draining" if self.is_drained() else True

    async def _s3_answers(self) -> bool | str:
        if self._app is None:
            return False
        found = await self._app.store.check()
        if found.state is not self._bucket_state:
            self._bucket_state = found.state
            tell = log.info if found.ok else log.error
            tell("bucket", state=found.state.name.lower(), advice="" if found.ok else found.message)
        if not found.ok:
            return found.state.value
        elsewhere = self._app.identity.elsewhere()
        return elsewhere[0] if elsewhere else True

    async def _keeps_versions(self) -> bool | str:
        if self._app is None:
            return False
        status = await self._app.gate.status()
        return status is VersioningStatus.ENABLED or status.value

    async def _is_believed(self) -> bool | str:
        return self._app is not None and await self._app.internal_calls.works()

    def _add_services(self, server: aio.Server) -> Sequence[str]:
        if self._app is None:
            raise RuntimeError("the server registers services inside its lifespan")
        return self._app.services.add_to(server)
