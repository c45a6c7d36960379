"""Only a loop's owner ends it, and one without progress is visible."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import structlog.testing
from prometheus_client import CollectorRegistry, generate_latest

from servicekit import probes
from servicekit.background import MISSED_PASSES, BackgroundLoop, Heartbeat, Heartbeats, running
from servicekit.probes import Probes
from strongroom.errors import ObjectStoreDenied, ServiceUnavailable, StrongroomError


class Work:
    """Fails with each of ``errors`` in turn, then does well."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.done = asyncio.Event()

    async def __call__(self) -> bool:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        self.done.set()
        return False


@pytest.mark.parametrize(
    "error",
    [
        ValueError("bad date"),
        KeyError("member"),
        ServiceUnavailable("away"),
        OSError(5, "io"),
        asyncio.CancelledError(),  # of a future that somebody else has cancelled
        ExceptionGroup("several", [TypeError("x")]),
        RecursionError(),
    ],
    ids=repr,
)
async def test_a_failing_pass_is_followed_by_the_next(error: BaseException) -> None:
    work, heartbeat = Work(error, error), Heartbeat("loop", 1.0)
    async with running(BackgroundLoop(work, heartbeat, rest_seconds=0)):
        await asyncio.wait_for(work.done.wait(), 60)
    assert heartbeat.failures == 2


async def test_what_stays_away_is_one_line_and_one_when_it_is_back() -> None:
    away, denied = ServiceUnavailable("away"), ObjectStoreDenied("not now", advice="AWS_REGION is wrong")
    work = Work(*[away] * 5, *[denied] * 5, away, OSError(5, "io"))
    with structlog.testing.capture_logs() as lines:
        loop = BackgroundLoop(
            work, Heartbeat("loop", 1.0), rest_seconds=0, expected=(StrongroomError, OSError)
        )
        async with running(loop):
            await asyncio.wait_for(work.done.wait(), 60)
    told = [(line["event"], line.get("reason"), line.get("message")) for line in lines]
    assert told == [
        ("background_pass_failed", "SERVICE_UNAVAILABLE", "away"),
        ("background_pass_failed", "OBJECT_STORE_DENIED", "AWS_REGION is wrong"),
        ("background_pass_failed", "OSError", None),
        ("background_passes_again", None, None),
    ]
    assert lines[-1]["after"] == ["OBJECT_STORE_DENIED", "OSError", "SERVICE_UNAVAILABLE"]


async def test_what_never_ends_says_that_it_is_back_while_it_runs() -> None:
    """Like the loops that listen to Postgres: a pass lasts as long as its connection."""
    heartbeat, tries, listens = Heartbeat("listen", 1.0), [0], asyncio.Event()

    async def listen() -> bool:
        tries[0] += 1
        if tries[0] < 3:
            raise ServiceUnavailable("away")
        heartbeat.passed()
        listens.set()
        await asyncio.Event().wait()
        return False

    with structlog.testing.capture_logs() as lines:
        async with running(BackgroundLoop(listen, heartbeat, rest_seconds=0)):
            await asyncio.wait_for(listens.wait(), 60)
            assert [line["event"] for line in lines] == ["background_pass_failed", "background_passes_again"]


async def test_a_bug_is_a_line_each_time_it_shows() -> None:
    work = Work(*[KeyError("member")] * 3)
    with structlog.testing.capture_logs() as lines:
        async with running(BackgroundLoop(work, Heartbeat("loop", 1.0), rest_seconds=0)):
            await asyncio.wait_for(work.done.wait(), 60)
    assert [line["event"] for line in lines] == ["background_pass_failed"] * 3


async def test_the_owner_ends_it_at_any_point() -> None:
    reached = asyncio.Event()

    async def forever() -> bool:
        reached.set()
        await asyncio.Event().wait()
        return True

    loop = BackgroundLoop(forever, Heartbeat("loop", 1.0), rest_seconds=0)
    task = asyncio.create_task(loop.run())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_wake_ends_the_rest() -> None:
    work = Work()
    loop = BackgroundLoop(work, Heartbeat("loop", 1.0), rest_seconds=3600, rest_first=True)
    async with running(loop):
        await asyncio.sleep(0)
        assert not work.done.is_set()
        loop.wake()
        await asyncio.wait_for(work.done.wait(), 60)


async def test_ten_intervals_without_a_pass_are_too_many() -> None:
    now = 0.0
    heartbeat = Heartbeat("loop", 2.0, clock=lambda: now)
    now = MISSED_PASSES * 2.0
    assert await heartbeat.is_alive()
    heartbeat.failed()
    now += 0.1
    assert not await heartbeat.is_alive()
    heartbeat.beat()
    assert await heartbeat.is_alive()
    now += MISSED_PASSES * 2.0 + 0.1
    assert not await heartbeat.is_alive()
    heartbeat.passed()
    assert await heartbeat.is_alive()


async def test_metrics_tell_of_passes_and_failures() -> None:
    heartbeats, registry = Heartbeats(), CollectorRegistry()
    heartbeat = heartbeats.add("sweep", 1.0)
    registry.register(heartbeats)
    assert b'strongroom_background_last_pass_timestamp_seconds{task="sweep"} 0.0' in generate_latest(registry)
    heartbeat.passed()
    heartbeat.failed()
    text = generate_latest(registry).decode()
    assert 'strongroom_background_passes_total{task="sweep"} 1.0' in text
    assert 'strongroom_background_failures_total{task="sweep"} 1.0' in text
    assert 'last_pass_timestamp_seconds{task="sweep"} 0.0' not in text
    assert await heartbeats.probes()["strongroom.sweep"]()


async def _never_asked_again() -> bool:
    raise asyncio.CancelledError


async def _broken() -> bool:
    raise KeyError("probe")


@pytest.mark.parametrize("probe", [_never_asked_again, _broken])
async def test_probes_go_on_whatever_the_probe_or_its_report_does(
    monkeypatch: pytest.MonkeyPatch, probe: Callable[[], asyncio.Future[bool]]
) -> None:
    monkeypatch.setattr(probes, "EVERY_SECONDS", 0.0)
    reports: list[bool | str] = []
    enough = asyncio.Event()

    async def report(_: str, healthy: bool | str) -> None:
        reports.append(healthy)
        if len(reports) == 4:
            enough.set()
        if len(reports) > 1:
            raise RuntimeError("the health service stumbles")

    watching = Probes({"thing": probe}, report)
    await watching.start()
    await asyncio.wait_for(enough.wait(), 60)
    await watching.aclose()
    assert not any(reports)
