"""Work that a process repeats while it lives, and the signs by which others see its progress.

A pass that fails with any exception is counted, and the next one follows: only its owner ends such a loop.
The log has one line when something it needs is away, and one when passes succeed again. A loop without
progress for ``MISSED_PASSES`` intervals is shown in the health service as ``strongroom.{name}`` (NOT_SERVING)
and in the metrics ``strongroom_background_…``.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Final

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from servicekit.outages import Outage
from servicekit.probes import Probe, stopping
from strongroom.errors import StrongroomError

MISSED_PASSES: Final = 10
_LABELS: Final = ("task",)

log = structlog.get_logger(__name__)


class Heartbeat:
    """The signs of life of one loop. ``interval_seconds``: how often it should pass."""

    def __init__(
        self, name: str, interval_seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self.passes = 0
        self.failures = 0
        self.passed_at = 0.0
        self.outage = Outage("background_pass_failed", "background_passes_again", task=name)
        self._patience = MISSED_PASSES * interval_seconds
        self._clock = clock
        self._alive_at = clock()

    def beat(self) -> None:
        """Report progress within a long pass."""
        self._alive_at = self._clock()

    def passed(self) -> None:
        """Report that a pass has ended well, or that endless work has done well for a while."""
        self.beat()
        self.outage.well()
        self.passes += 1
        self.passed_at = time.time()

    def failed(self) -> None:
        """Report that a pass, or an item of it, has failed."""
        self.failures += 1

    async def is_alive(self) -> bool:
        """Whether there was progress within the last ``MISSED_PASSES`` intervals; a ``Probe``."""
        return self._clock() - self._alive_at <= self._patience


class Heartbeats(Collector):
    """The heartbeats of one process, for ``ServerSpec``."""

    def __init__(self) -> None:
        self._all: list[Heartbeat] = []

    def add(self, name: str, interval_seconds: float) -> Heartbeat:
        """The heartbeat of a new loop; health shows it as ``strongroom.{name}``."""
        heartbeat = Heartbeat(name, interval_seconds)
        self._all.append(heartbeat)
        return heartbeat

    def probes(self) -> dict[str, Probe]:
        """Health name → whether the loop lives."""
        return {f"strongroom.{heartbeat.name}": heartbeat.is_alive for heartbeat in self._all}

    def collect(self) -> Iterable[Metric]:
        """One sample per loop and figure."""
        last = GaugeMetricFamily(
            "strongroom_background_last_pass_timestamp_seconds",
            "When the last pass succeeded (0: none yet).",
            labels=_LABELS,
        )
        passes = CounterMetricFamily("strongroom_background_passes", "Passes that succeeded.", labels=_LABELS)
        failures = CounterMetricFamily(
            "strongroom_background_failures", "Passes and single items that failed.", labels=_LABELS
        )
        for heartbeat in self._all:
            last.add_metric((heartbeat.name,), heartbeat.passed_at)
            passes.add_metric((heartbeat.name,), heartbeat.passes)
            failures.add_metric((heartbeat.name,), heartbeat.failures)
        return last, passes, failures


class BackgroundLoop:
    """Repeats ``work`` until cancelled: at once while it returns True, else after ``rest_seconds`` or a
    ``wake``.

    :param expected: errors of the environment. They are logged without a stack, each kind once until a pass
        succeeds.
    :param rest_first: nothing is due at the start.
    """

    def __init__(
        self,
        work: Callable[[], Awaitable[bool]],
        heartbeat: Heartbeat,
        *,
        rest_seconds: float,
        rest_first: bool = False,
        expected: tuple[type[Exception], ...] = (StrongroomError,),
    ) -> None:
        self._work = work
        self._heartbeat = heartbeat
        self._rest_seconds = rest_seconds
        self._rest_first = rest_first
        self._expected = expected
        self._wake = asyncio.Event()
        self._is_held: Callable[[], bool] = lambda: False
        self.begun: set[asyncio.Task[None]] = set()
        self._passing = self._resting = False
        self.name = heartbeat.name

    @property
    def is_busy(self) -> bool:
        """Whether a pass, or work begun by one, is in progress."""
        return self._passing or bool(self.begun)

    def begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Begin work that may outlive its pass and ends with the loop. ``work`` must not raise an
        Exception.
        """
        task = asyncio.create_task(work)
        self.begun.add(task)
        task.add_done_callback(self.begun.discard)
        return task

    def hold_while(self, is_held: Callable[[], bool]) -> None:
        """Begin no pass while ``is_held`` is true; the loop counts as healthy."""
        self._is_held = is_held

    def wake(self) -> None:
        """End the rest: there is work."""
        self._wake.set()

    def end_rest(self) -> None:
        """Like ``wake``, for work that a pass in progress notices by itself."""
        if self._resting:
            self._wake.set()

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            await self._repeat()
        finally:
            begun = list(self.begun)
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)

    async def _repeat(self) -> None:
        if self._rest_first:
            await self._rest()
        while True:
            if self._is_held():
                self._heartbeat.beat()
                await self._rest()
            elif not await self._pass():
                await self._rest()

    async def _pass(self) -> bool:
        name = self.name
        self._passing = True
        try:
            busy = await self._work()
        except asyncio.CancelledError:
            if stopping():
                raise
            self._heartbeat.failed()
            log.exception("background_pass_cancelled", task=name)  # by what it waited for, not by its owner
        except self._expected as error:
            self._heartbeat.failed()
            facts = _facts(error)
            self._heartbeat.outage.failed(facts["reason"], **facts)
        except Exception:
            self._heartbeat.failed()
            log.exception("background_pass_failed", task=name)
        else:
            self._heartbeat.passed()
            return busy
        finally:
            self._passing = False
        return False

    async def _rest(self) -> None:
        self._resting = True
        try:
            # Not wait_for: up to Python 3.11 it loses a cancellation that coincides with the wake.
            async with asyncio.timeout(self._rest_seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._resting = False
        self._wake.clear()


def _facts(error: Exception) -> dict[str, str]:
    """Log fields of an expected error: for our own services, database and store also what to do."""
    if not isinstance(error, StrongroomError):
        return {"reason": type(error).__name__}
    told = {"reason": error.reason_name}
    return told | {"message": error.advice or error.message} if error.http_status >= 500 else told


@contextlib.asynccontextmanager
async def running(*loops: BackgroundLoop) -> AsyncIterator[None]:
    """Run the loops until the block ends."""
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
