"""A lease is renewed during the whole body, even if one renewal fails."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest

from storage_service.attempts import engine
from storage_service.attempts.engine import LeaseKeeper
from strongroom.errors import ServiceUnavailable, UploadSuperseded


class Leases:
    """Raises each of ``errors``, then renews for ``seconds``."""

    def __init__(self, *errors: BaseException, seconds: float = 0.1) -> None:
        self.errors = list(errors)
        self.seconds = seconds
        self.renewed = asyncio.Event()

    async def renew(self) -> float:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        self.renewed.set()
        return self.seconds


@pytest.mark.parametrize(
    "error",
    [
        ServiceUnavailable("away"),
        ValueError("reply"),
        KeyError("x"),
        OSError(5, "io"),
        asyncio.CancelledError(),
    ],
    ids=repr,
)
async def test_a_failed_renewal_is_followed_by_the_next(error: BaseException) -> None:
    leases = Leases(error, error)
    async with LeaseKeeper(leases.renew, 0.1, {"blob_id": "b"}):
        await asyncio.wait_for(leases.renewed.wait(), 60)
    assert leases.errors == []


async def test_renewals_come_after_a_third_of_the_lease_and_sooner_after_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    waits: list[float] = []
    enough = asyncio.Event()

    def at_once(delay: float, callback: Callable[..., object], *args: object) -> asyncio.Handle:
        waits.append(delay)
        if len(waits) == 5:
            enough.set()
        return loop.call_soon(callback, *args)

    monkeypatch.setattr(loop, "call_later", at_once)
    leases = Leases(ServiceUnavailable("away"), ServiceUnavailable("away"), seconds=48.0)
    async with asyncio.timeout(60), LeaseKeeper(leases.renew, 24.0, {"blob_id": "b"}):
        await enough.wait()
    assert waits[:5] == [8.0, 1.0, 1.0, 16.0, 16.0]


async def test_a_lost_attempt_stops_its_body() -> None:
    with pytest.raises(UploadSuperseded):
        async with LeaseKeeper(Leases(UploadSuperseded("newer")).renew, 0.1, {"blob_id": "b"}):
            await asyncio.wait_for(asyncio.Event().wait(), 60)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "whoever handles the error would be taken for cancelled"


async def test_a_renewal_that_nobody_answers_is_given_up_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica of metadata_service is frozen; its callers would wait for six of the lease's ten seconds."""
    monkeypatch.setattr(engine, "LEAST_TRY_SECONDS", 0.01)
    leases, unanswered = Leases(), [1, 2]

    async def renew() -> float:
        if unanswered:
            unanswered.pop()
            await asyncio.Event().wait()
        return await leases.renew()

    async with LeaseKeeper(renew, 0.1, {"blob_id": "b"}):
        await asyncio.wait_for(leases.renewed.wait(), 60)
    assert unanswered == []


async def test_one_that_is_over_is_gone_without_the_garbage_collector() -> None:
    keeper = LeaseKeeper(Leases().renew, 60, {"blob_id": "b"})
    gone = weakref.ref(keeper)
    gc.disable()
    try:
        async with keeper:
            await asyncio.sleep(0)
        del keeper
        await asyncio.sleep(0)
        assert gone() is None
    finally:
        gc.enable()
