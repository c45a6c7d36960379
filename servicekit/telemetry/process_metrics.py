"""Metrics of every process: its build, its event loop's lag, the expiry of its certificates. Once per
process, whatever runs in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicekit.settings import CommonSettings
from strongroom.version import Build, this_build

#: How often the event loop's lag is measured. Seconds.
LAG_SECONDS: Final = 0.25
_LAGS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
#: Any service's settings that name a certificate, and its purpose.
CERTIFICATES: Final[Mapping[str, str]] = {
    "tls_cert": "server",
    "tls_client_cert": "client",
    "tls_ca": "ca",
    "tls_client_ca": "client_ca",
    "http_tls_cert": "http",
}


class BuildInfo(Collector):
    """Always 1; the labels identify the build."""

    def __init__(self, build: Build) -> None:
        self._build = build

    def collect(self) -> Iterable[Metric]:
        """One sample."""
        info = GaugeMetricFamily(
            "strongroom_build_info",
            "The build that is running; always 1.",
            labels=("version", "commit", "protocol", "python"),
        )
        build = self._build
        info.add_metric(
            (build.version, build.commit or "unknown", build.protocol, platform.python_version()), 1
        )
        return (info,)


class LoopLag(Collector):
    """How late the event loop runs a timer: the time that every request waits beside its own work."""

    def __init__(self) -> None:
        self._seconds = Histogram(
            "strongroom_event_loop_lag_seconds",
            "Seconds by which a timer of the event loop was late.",
            buckets=_LAGS,
            registry=None,
        )

    def collect(self) -> Iterable[Metric]:
        """The histogram."""
        return self._seconds.collect()

    async def watch(self) -> None:
        """Measure until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            self._seconds.observe(max(0.0, clock() - due))


class Certificates(Collector):
    """The expiry of each configured certificate: the earliest in its file. A replaced file is read again."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._read: dict[str, tuple[float, float]] = {}

    def collect(self) -> Iterable[Metric]:
        """One sample for each; none for a file that can't be read."""
        ends = GaugeMetricFamily(
            "strongroom_certificate_not_after_timestamp_seconds",
            "When the certificate expires, by use.",
            labels=("use",),
        )
        for use, path in self._files.items():
            with contextlib.suppress(OSError, ValueError):
                ends.add_metric((use,), self._end(use, path))
        return (ends,) if self._files else ()

    def _end(self, use: str, path: Path) -> float:
        changed = path.stat().st_mtime
        known = self._read.get(use)
        if known is None or known[0] != changed:
            known = self._read[use] = changed, _first_end(path.read_bytes())
        return known[1]


def _first_end(pem: bytes) -> float:
    from cryptography import x509  # noqa: PLC0415 - see signatures.py

    return min(one.not_valid_after_utc.timestamp() for one in x509.load_pem_x509_certificates(pem))


def certificates(settings: Sequence[CommonSettings]) -> Certificates:
    """The certificates in a process's settings."""
    found = {}
    for one in settings:
        for field, use in CERTIFICATES.items():
            path = getattr(one, field, None)
            if path is not None:
                found[use] = path
    return Certificates(found)


@contextlib.asynccontextmanager
async def shown(registry: CollectorRegistry, *settings: CommonSettings) -> AsyncIterator[None]:
    """Add all of them to ``registry`` during the block. ``settings``: those of the process's services.

    From then on the process exports no ``_created`` series: only OpenMetrics uses them, and each counter and
    histogram would have one for each label set.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]
    lag = LoopLag()
    for collector in (BuildInfo(this_build(settings[0].commit)), lag, certificates(settings)):
        registry.register(collector)
    watching = asyncio.create_task(lag.watch(), name="event loop lag")
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
