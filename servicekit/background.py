"""Work that a process repeats for as long as it lives, and the signs by which others see that it still does.

A pass that fails, by whatever exception, is counted, and the next one follows: nothing ends such a loop but
its owner. The log has a line when what it needs goes away, and one when passes do well again. A loop that
gets nowhere for ``MISSED_PASSES`` intervals shows in the health service under ``strongroom.{name}``
(NOT_SERVING) and in the metrics ``strongroom_background_…``.
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
        """In the midst of a long pass: it gets on."""
        self._alive_at = self._clock()

    def passed(self) -> None:
        """A pass has ended well, or something that never ends has done what it should for a while."""
        self.beat()
        self.outage.well()
        self.passes += 1
        self.passed_at = time.time()

    def failed(self) -> None:
        """A pass, or one item of it, has failed."""
        self.failures += 1

    async def is_alive(self) -> bool:
        """Whether it has got on within the last ``MISSED_PASSES`` intervals; a ``Probe``."""
        return self._clock() - self._alive_at <= self._patience


class Heartbeats(Collector):
    """Those of one process, for ``ServerSpec``."""

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
            "When the last pass ended well (0: none yet).",
            labels=_LABELS,
        )
        passes = CounterMetricFamily("strongroom_background_passes", "Passes ended well.", labels=_LABELS)
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

    ``expected``: errors of the world, which are logged without a stack, and each kind once until a pass does
    well. ``rest_first``: nothing is due yet.
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
        """Whether a pass is under way, or something that one has begun."""
        return self._passing or bool(self.begun)

    def begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """What may outlive the pass that begins it, and ends with the loop. ``work`` raises no Exception."""
        task = asyncio.create_task(work)
        self.begun.add(task)
        task.add_done_callback(self.begun.discard)
        return task

    def hold_while(self, is_held: Callable[[], bool]) -> None:
        """No pass begins while it says so; the loop is well all the same."""
        self._is_held = is_held

    def wake(self) -> None:
        """Don't rest: there is something to do."""
        self._wake.set()

    def end_rest(self) -> None:
        """As ``wake``, for what a pass that is under way sees by itself."""
        if self._resting:
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
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
            log.exception("background_pass_cancelled", task=name)  # by whatever it waited for, not by us
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
            # Not wait_for: up to Python 3.11 it loses a cancellation that comes with the wake.
            async with asyncio.timeout(self._rest_seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        finally:
            self._resting = False
        self._wake.clear()


def _facts(error: Exception) -> dict[str, str]:
    """What the log says of an error of the world: of our own services, database and store also what to do."""
    if not isinstance(error, StrongroomError):
        return {"reason": type(error).__name__}
    told = {"reason": error.reason_name}
    return told | {"message": error.advice or error.message} if error.http_status >= 500 else told


@contextlib.asynccontextmanager
async def running(*loops: BackgroundLoop) -> AsyncIterator[None]:
    """The loops run until the block ends."""
    tasks = [asyncio.create_task(loop.run()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
