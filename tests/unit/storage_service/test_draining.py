"""A drained replica begins nothing, says so, and works again when allowed."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from servicekit.background import BackgroundLoop, Heartbeat, running
from storage_service.draining import Draining
from storage_service.metadata.operations import Operations
from strongroom.errors import ServiceUnavailable
from strongroom.metadata.v1.replica_pb2 import Replica


class Office:
    """Replaces metadata_service. ``drain``: its answer."""

    def __init__(self) -> None:
        self.drain = self.away = False
        self.told: list[Replica] = []
        self.instances: set[str] = set()

    async def report_replica(self, replica: Replica, instance: str) -> bool:
        if self.away:
            raise ServiceUnavailable("away")
        self.told.append(replica)
        self.instances.add(instance)
        return self.drain


class Work:
    """Passes of a loop. ``began`` counts them; each lasts until ``may_end``."""

    def __init__(self, name: str) -> None:
        self.began = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.loop = BackgroundLoop(self.once, Heartbeat(name, 1.0), rest_seconds=0.001)

    async def once(self) -> bool:
        self.began += 1
        await self.may_end.wait()
        return False


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - loops of the product fulfil it
            await asyncio.sleep(0.001)


async def test_loops_begin_nothing_while_it_drains() -> None:
    office, works = Office(), [Work("cleaner"), Work("scrub")]
    draining = Draining(
        cast("Operations", office), Heartbeat("replica", 1.0), [work.loop for work in works], lambda: 3
    )
    async with running(*(work.loop for work in works)):
        await until(lambda: all(work.began > 2 for work in works))
        works[1].may_end.clear()
        await until(lambda: works[1].loop.is_busy)
        office.drain = True
        assert await draining.report(), "it tells at once that it has heard"
        assert not await draining.report()
        began = [work.began for work in works]
        assert office.told[-1].draining
        assert "scrub" in office.told[-1].busy, "what it had begun goes on"
        assert office.told[-1].requests == 3
        works[1].may_end.set()
        await until(lambda: not any(work.loop.is_busy for work in works))
        await draining.report()
        assert list(office.told[-1].busy) == []
        assert [work.began - before for work, before in zip(works, began, strict=True)][1] == 0
        assert works[0].began - began[0] <= 1
        assert await works[0].loop._heartbeat.is_alive()
        office.drain = False
        await draining.report()
        await until(lambda: all(work.began > before + 2 for work, before in zip(works, began, strict=True)))
    assert len(office.instances) == 1
    assert len({one.name for one in office.told}) == 1


async def test_while_nobody_answers_it_goes_on_as_it_was() -> None:
    office = Office()
    draining = Draining(cast("Operations", office), Heartbeat("replica", 1.0), [], lambda: 0)
    for drain in (False, True):
        office.drain, office.away = drain, False
        await draining.report()
        office.away = True
        with pytest.raises(ServiceUnavailable):
            await draining.report()
        assert draining.is_on is drain


async def test_it_begins_no_import() -> None:
    office = Office()
    draining = Draining(cast("Operations", office), Heartbeat("replica", 1.0), [], lambda: 0)
    draining.refuse_imports()
    office.drain = True
    await draining.report()
    with pytest.raises(ServiceUnavailable, match="being drained") as refusal:
        draining.refuse_imports()
    assert refusal.value.retry_after
