"""Slow name look-ups delay no other look-up."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from servicekit.auth.principal import Principal
from servicekit.context import RequestContext, bind
from servicekit.outbound import LOOKUPS_EACH, SystemResolver
from strongroom.errors import SourceUrlFailed

FOUND = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))


class Names:
    """Names that begin with ``slow`` have no answer until ``may_end`` is set."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.asked = 0

    def look_up(self, host: str, _port: int, **_: Any) -> list[Any]:
        self.asked += 1
        if host.startswith("slow"):
            assert self.may_end.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "again")
        return [FOUND, FOUND]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made.look_up)
    yield made
    made.may_end.set()


def _caller(name: str) -> RequestContext:
    return RequestContext("r", principal=Principal(name))


async def test_slow_names_of_one_keep_nobody_waiting(names: Names) -> None:
    resolver = SystemResolver()
    with bind(_caller("mallory")):
        slow = [asyncio.create_task(resolver.resolve(f"slow{n}.example", 80)) for n in range(LOOKUPS_EACH)]
        await asyncio.sleep(0)
        with pytest.raises(SourceUrlFailed, match="takes too long"):
            await resolver.resolve("other.example", 80)
    with bind(_caller("alice")):
        async with asyncio.timeout(60):
            assert await resolver.resolve("host.example", 80) == [ipaddress.ip_address("192.0.2.1")]
    names.may_end.set()
    told = await asyncio.gather(*slow, return_exceptions=True)
    assert {type(one) for one in told} == {SourceUrlFailed}
    with bind(_caller("mallory")):
        assert await resolver.resolve("host.example", 80)


async def test_a_lookup_counts_until_it_has_ended(names: Names) -> None:
    resolver = SystemResolver()
    with bind(_caller("mallory")):
        slow = [asyncio.create_task(resolver.resolve(f"slow{n}.example", 80)) for n in range(LOOKUPS_EACH)]
        await asyncio.sleep(0)
        for task in slow:
            task.cancel()
        assert all(
            isinstance(one, asyncio.CancelledError)
            for one in await asyncio.gather(*slow, return_exceptions=True)
        )
        with pytest.raises(SourceUrlFailed, match="takes too long"):
            await resolver.resolve("host.example", 80)
        names.may_end.set()
        async with asyncio.timeout(60):
            while not await _finds(resolver):
                continue
    assert names.asked == LOOKUPS_EACH + 1


async def _finds(resolver: SystemResolver) -> bool:
    try:
        return bool(await resolver.resolve("host.example", 80))
    except SourceUrlFailed:
        await asyncio.sleep(0.01)
        return False
