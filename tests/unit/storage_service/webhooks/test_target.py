"""The address of a webhook's delivery: resolved once per request, and checked."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

import pytest

from servicekit.outbound import Address, SystemResolver, UrlRules, check_name
from storage_service.outbound.client import GuardedClient, Timeouts
from storage_service.webhooks.target import Outcome, TargetClient
from strongroom.errors import SourceUrlRefused
from strongroom.metadata.v1.webhook_delivery_service_pb2 import ClaimedDelivery

RULES = UrlRules(ports=frozenset({80, 443, 8080, 8443}), allow_hosts=frozenset({"localhost:9000"}))
NUMBERS = (
    *("2130706433", "0", "127.1", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.1.", "017700000001"),
    *(
        "127.0.0.0x1",
        "0x",
        "a.example.1",
        "1.2.3.4.5",
        "256.1.1.1",
        "127.0.1",
        "%31%32%37.1",
        "\uff11\uff12\uff17.1",
    ),
)


@pytest.mark.parametrize("host", NUMBERS)
def test_numbers_are_no_hosts(host: str) -> None:
    with pytest.raises(SourceUrlRefused) as refused:
        RULES.check(f"http://{host}:8080/")
    assert refused.value.metadata["rule"] in {"host", "form"}


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST.", "a.localhost", "localhost.localdomain", "ip6-localhost", "metadata"),
        *("printer.local", "metadata.google.internal", "router.home.arpa", "nas.lan", "127.0.0.1", "::1"),
    ],
)
def test_names_of_this_machine_and_of_private_networks(host: str) -> None:
    with pytest.raises(SourceUrlRefused) as refused:
        check_name(host)
    assert refused.value.metadata["rule"] == "public_address"


def test_names_and_addresses_that_pass() -> None:
    for host in (
        "example.com",
        "1.example.com",
        "0x7f.example",
        "local.example",
        "93.184.215.14",
        "4chan.org",
    ):
        check_name(RULES.check(f"https://{host}/").host)


class _Rebinding:
    """A resolver with a different answer each time."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.left = list(answers)

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        del host, port
        return [ipaddress.ip_address(text) for text in self.left.pop(0)]


async def _delivered(url: str, resolver: _Rebinding | SystemResolver) -> Outcome:
    client = TargetClient(RULES, GuardedClient(resolver, Timeouts(5, 5)), 10)
    try:
        return await client.post(ClaimedDelivery(url=url, body=b"{}"))
    finally:
        await client.aclose()


@pytest.mark.parametrize(
    "answer", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["169.254.169.254"], ["::1"], ["64:ff9b::a00:1"]]
)
async def test_a_name_that_turned_private_is_not_connected_to(answer: list[str]) -> None:
    resolver = _Rebinding(answer, ["93.184.215.14"])
    outcome = await _delivered("http://hooks.example:8080/", resolver)
    assert outcome == Outcome(failure="the target's host is not a public address")
    assert len(resolver.left) == 1, "asked once"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "2130706433", "0", "127.1"])
async def test_what_was_made_before_is_refused_when_it_is_sent(host: str) -> None:
    outcome = await _delivered(f"http://{host}:8080/", SystemResolver())
    assert outcome.status == 0
    assert "public address" in outcome.failure or "is a number" in outcome.failure


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    """The resolver, whose next answer would differ, is not asked again."""
    asked = list[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        authority = f"hooks.example:{server.sockets[0].getsockname()[1]}"
        rules = UrlRules(frozenset(), frozenset({authority}))
        resolver = _Rebinding(["127.0.0.1"], ["10.0.0.1"])
        client = TargetClient(rules, GuardedClient(resolver, Timeouts(5, 5)), 10)
        outcome = await client.post(ClaimedDelivery(url=f"http://{authority}/", body=b"{}"))
        await client.aclose()
    assert outcome.status == 302
    assert "redirects are not followed" in outcome.failure
    assert len(resolver.left) == len(asked) == 1
