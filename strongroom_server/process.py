"""One process: runs its services from start to drain."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from gateway.config import GatewaySettings
from gateway.metrics import Metrics as GatewayMetrics
from gateway.server.serve import address_of
from metadata_service.bootstrap import Application
from metadata_service.config import MetadataSettings
from servicekit import failpoints
from servicekit.serving import memory
from servicekit.serving.server import RunningServer, stop_signals
from servicekit.settings import CommonSettings, SettingsBase, read_settings
from servicekit.telemetry import process_metrics, tracing
from servicekit.telemetry.logs import configure_logging
from servicekit.telemetry.metrics_http import serve_metrics
from servicekit.telemetry.rpcs import Metrics
from storage_service.config import StorageSettings
from storage_service.process import Process
from strongroom_server.members import Door, Member, gateway_member, grpc_member
from strongroom_server.targets import Share

_SETTINGS: dict[str, type[SettingsBase]] = {
    "metadata": MetadataSettings,
    "storage": StorageSettings,
    "gateway": GatewaySettings,
}

#: Names in log lines and traces.
_NAMES: Final = {"metadata": "metadata_service", "storage": "storage_service", "gateway": "gateway"}

_SHARED_PORT: Final = ("grpc.so_reuseport", 1)
#: Metrics that belong to no service, by the beginning of their names.
_OF_THE_PROCESS: Final = (
    "process_",
    "python_",
    "strongroom_build_",
    "strongroom_event_loop_",
    "strongroom_certificate_",
)

log = structlog.get_logger(__name__)


class MergedMetrics(Collector):
    """The metrics of several services of one process as one exposition. ``registries``: by service.

    Each service counts in its own registry, as if it were alone. Their samples would collide (several have
    limits, health checks, loops), so each gets the label ``service``; metrics of the process (memory,
    descriptors, garbage, build, event loop, certificates) appear once and without it.
    """

    def __init__(self, registries: Mapping[str, CollectorRegistry]) -> None:
        self._registries = registries

    def collect(self) -> Iterable[Metric]:
        """Each family once, with the samples of all services."""
        families: dict[str, Metric] = {}
        for service, registry in self._registries.items():
            for found in registry.collect():
                of_the_process = found.name.startswith(_OF_THE_PROCESS)
                if of_the_process and found.name in families:
                    continue
                family = families.setdefault(
                    found.name, Metric(found.name, found.documentation, found.type, found.unit)
                )
                for sample in found.samples:
                    own = {} if of_the_process else {"service": service}
                    family.samples.append(sample._replace(labels={**sample.labels, **own}))
        return families.values()

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self)


class Services:
    """The services of one process, with bound addresses, not yet started."""

    def __init__(self, targets: Sequence[str], share: Share) -> None:
        found: dict[str, Any] = {name: share.of(read_settings(_SETTINGS[name])) for name in targets}
        self.all_settings: tuple[CommonSettings, ...] = tuple(found.values())
        self.settings = self.all_settings[0]
        self.registries: dict[str, CollectorRegistry] = {}
        self.metrics = MergedMetrics(self.registries)
        self._found = found
        self.lines: list[str] = []
        self._application = Application(found["metadata"]) if "metadata" in found else None
        self._metadata = self._bound("metadata", self._application.spec, share) if self._application else None
        inside = self._metadata.inside if self._metadata else None
        self._process = Process(found["storage"], inside) if "storage" in found else None
        self._storage = self._bound("storage", self._process.spec(), share) if self._process else None
        self._door = Door(found["gateway"], share) if "gateway" in found else None
        if self._door:
            self.lines.append(f"gateway listening on {address_of(self._door.listener)}")

    def _bound(self, name: str, spec: Any, share: Share) -> RunningServer:
        metrics = Metrics()
        self.registries[name] = metrics.registry
        if share.shared:
            spec = dataclasses.replace(spec, options=(*spec.options, _SHARED_PORT))
        server = RunningServer(self._found[name], spec, metrics)
        self.lines.append(f"{spec.name} listening on {server.address}")
        return server

    async def start(self, members: list[Member]) -> None:
        """Start the services one after the other, dependencies first. Each is added to ``members``."""
        drain = self.settings.drain_seconds
        if self._metadata and self._application:
            members.append(grpc_member(self._metadata, self._application.lifespan(), drain))
            await members[-1].started()
        if self._storage and self._process:
            members.append(grpc_member(self._storage, self._process.lifespan(), drain))
            await members[-1].started()
        if self._door:
            members.append(
                gateway_member(
                    self._door,
                    storage_service=self._storage.inside if self._storage else None,
                    metadata_service=self._metadata.inside if self._metadata else None,
                    opened=self._show,
                    is_drained=self._process.is_drained if self._process else lambda: False,
                )
            )
            await members[-1].started()

    def _show(self, metrics: GatewayMetrics) -> None:
        """Add the gateway's metrics, and show all metrics at the gateway's ``/metrics``."""
        self.registries["gateway"] = metrics.registry
        metrics.of_process = self.metrics


async def serve(targets: Sequence[str], share: Share) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code.

    All listeners close at once. The services end in the order gateway, storage_service, metadata_service,
    each when no other service of this process needs it. If one fails, all end, with exit code 1.

    :raises SettingError, PortTaken, NotReady, StrongroomError: it can't start.
    """
    configure_logging("strongroom", read_settings(CommonSettings).log_level)
    failpoints.check()
    asked = stop_signals()
    services = Services(targets, share)
    members: list[Member] = []
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(tracing.recorded(*(_NAMES[target] for target in targets)))
        own = services.registries[""] = CollectorRegistry()
        await stack.enter_async_context(process_metrics.shown(own, *services.all_settings))
        try:
            await services.start(members)
            if address := share.metrics_address(services.settings):
                at = await stack.enter_async_context(serve_metrics(address, services.metrics))
                log.info("metrics", url=f"http://{at}/metrics")
            memory.settle()
            sys.stdout.write("".join(f"{line}\n" for line in services.lines))
            sys.stdout.flush()
            failed = await _until_asked_or_failed(asked, members)
        finally:
            await _leave(members)
    return 1 if failed else 0


async def _until_asked_or_failed(asked: asyncio.Event, members: Sequence[Member]) -> bool:
    waiting = asyncio.ensure_future(asked.wait())
    await asyncio.wait({waiting, *(one.task for one in members)}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return not asked.is_set()


async def _leave(members: Sequence[Member]) -> None:
    for member in members:
        member.leaving.set()
    for member in reversed(members):
        try:
            await member.close()
        except Exception:
            log.exception("service_failed", failed=member.name)
