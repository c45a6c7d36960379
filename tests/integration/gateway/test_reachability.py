"""A gateway with wrong addresses logs that once."""

from __future__ import annotations

import asyncio

import pytest
from grpc import aio
from structlog.testing import capture_logs

from gateway.upstream import reachability
from tests.integration.gateway.fakes.servers import run_backends
from tests.integration.gateway.harness import settings


async def test_nobody_at_the_address_and_then_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "AGAIN_SECONDS", 0.0)
    obstacles = ["connection refused", "connection refused", None]

    async def obstacle(_: object) -> str | None:
        return obstacles.pop(0)

    monkeypatch.setattr(reachability, "_obstacle", obstacle)
    with capture_logs() as lines:
        async with aio.insecure_channel("127.0.0.1:1") as channel:
            await reachability.look_for("STRONGROOM_STORAGE_ADDRESS", "127.0.0.1:1", channel, patience=0.0)
    assert obstacles == []
    assert [line["address"] for line in lines if line["event"] == "service_away"] == ["127.0.0.1:1"]
    assert "correct STRONGROOM_STORAGE_ADDRESS" in lines[0]["advice"]
    assert lines[0]["error"] == "connection refused"


async def test_a_service_that_goes_and_comes_is_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[str | None] = [None, "refused", "refused", "refused", None, None]
    seen = asyncio.Event()

    async def obstacle(_: object) -> str | None:
        if not answers:
            seen.set()
            return None
        return answers.pop(0)

    monkeypatch.setattr(reachability, "_obstacle", obstacle)
    async with aio.insecure_channel("127.0.0.1:1") as channel:
        with capture_logs() as lines:
            watching = asyncio.create_task(reachability.watch("127.0.0.1:1", channel, pause=0.0))
            await asyncio.wait_for(seen.wait(), 60)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    assert [(line["event"], line["address"], line.get("error")) for line in lines] == [
        ("service_gone", "127.0.0.1:1", "refused"),
        ("service_reached_again", "127.0.0.1:1", None),
    ]


async def test_what_is_in_the_way() -> None:
    async with aio.insecure_channel("127.0.0.1:1") as channel:
        assert "127.0.0.1:1" in str(await reachability._obstacle(channel))


async def test_who_answers_is_not_told_of() -> None:
    async with run_backends(settings()) as backends:
        address = backends.storage_address
        with capture_logs() as lines:
            async with aio.insecure_channel(address) as channel:
                await reachability.look_for("STRONGROOM_STORAGE_ADDRESS", address, channel, patience=0.0)
                async with reachability.told_of({"STRONGROOM_METADATA_ADDRESS": (address, channel)}):
                    await asyncio.sleep(0)
    assert lines == []
