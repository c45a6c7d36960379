"""Health of a process's dependencies (Postgres, S3), each under its own health name.

The process stays SERVING while a dependency is down: it answers with clear errors and recovers by itself. Ask
for ``strongroom.postgres`` or ``strongroom.s3`` to know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicekit.outages import Outage

Probe = Callable[[], Awaitable[bool | str]]
"""True if the dependency works; else False, or one word with the reason."""

#: Trailing metadata of grpc.health.v1's Check, with NOT_SERVING: one word, e.g. `bucket_missing`.
REASON: Final = "x-strongroom-reason"
EVERY_SECONDS: Final = 3.0
AT_MOST_SECONDS: Final = 5.0

log = structlog.get_logger(__name__)


class DependencyStates(Collector):
    """The last results of the probes, as a metric."""

    def __init__(self) -> None:
        self._works: dict[str, bool] = {}

    def found(self, name: str, *, works: bool) -> None:
        """``name``: as in the health service, ``strongroom.s3``."""
        self._works[name.removeprefix("strongroom.")] = works

    def collect(self) -> Iterable[Metric]:
        """One sample for each."""
        up = GaugeMetricFamily(
            "strongroom_dependency_up",
            "1: the dependency works, or the background loop makes progress.",
            labels=("dependency",),
        )
        for name, works in self._works.items():
            up.add_metric((name,), int(works))
        return (up,)


class Probes:
    """Runs ``probes`` (health name → coroutine function) until ``aclose`` and reports each answer."""

    def __init__(
        self, probes: Mapping[str, Probe], report: Callable[[str, bool | str], Awaitable[None]]
    ) -> None:
        self._probes = probes
        self._report = report
        self._tasks: list[asyncio.Task[None]] = []
        self._outages = {
            name: Outage("probe_failed", "probe_works_again", dependency=name) for name in probes
        }

    async def start(self) -> None:
        """Run each probe once, then repeatedly."""
        await asyncio.gather(*(self._ask(name, probe) for name, probe in self._probes.items()))
        self._tasks = [
            asyncio.create_task(self._watch(name, probe), name=f"probe {name}")
            for name, probe in self._probes.items()
        ]

    async def aclose(self) -> None:
        """Stop asking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self, name: str, probe: Probe) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self._ask(name, probe)
            except Exception:  # otherwise this health would stay unchanged for ever
                log.exception("probe_not_reported", dependency=name)

    async def _ask(self, name: str, probe: Probe) -> None:
        try:
            # Not wait_for: up to Python 3.11 it loses a cancellation that comes as the probe ends.
            async with asyncio.timeout(AT_MOST_SECONDS):
                healthy = await probe()
        except asyncio.CancelledError:
            if stopping():
                raise
            healthy = False
        except Exception as error:  # noqa: BLE001 - whatever it was, the dependency did not answer
            kind = type(error).__name__
            self._outages[name].failed(kind, error=kind)
            healthy = False
        if healthy is True:
            self._outages[name].well()
        await self._report(name, healthy)


def stopping() -> bool:
    """Whether the current task was cancelled. A CancelledError alone does not prove it: it also comes from an
    awaited future that another task has cancelled, which is no reason to end.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
