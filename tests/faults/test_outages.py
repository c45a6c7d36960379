"""A dependency of the gateway refuses, hangs or is frozen: every route answers in time, and says when to
retry; afterwards everything works again by itself.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest

from gateway.config import GatewaySettings
from gateway.upstream import backend
from servicekit import options
from storage_service.attempts import engine
from storage_service.metadata import calls
from storage_service.sessions import registry
from tests.e2e.belongings import Belongings
from tests.e2e.operations import WAYS, Way
from tests.faults import s3_faults
from tests.faults.cell import Cell
from tests.faults.client import http_client, new_upload, read, repeat_until_stored
from tests.faults.s3_proxy import Rule
from tests.stack import PATIENCE

#: Ten seconds are intended (``test_the_time_budget_is_ten_seconds``); the rest is for a busy machine.
SECONDS = 25.0


@dataclass(frozen=True)
class Answer:
    """A route's answer. ``status`` 0: the connection broke."""

    door: str
    status: int
    retry_after: str
    seconds: float
    text: str

    @property
    def is_right(self) -> bool:
        """Done without the missing dependency, or refused temporarily with a time to retry; never without an
        answer.
        """
        if self.status == 503:
            return self.retry_after.isdecimal() and int(self.retry_after) >= 1 and self.seconds < SECONDS
        return 200 <= self.status < 500 and self.seconds < SECONDS


@contextmanager
def frozen(cell: Cell, service: str) -> Iterator[None]:
    cell.send(service, signal.SIGSTOP)  # type: ignore[arg-type]
    try:
        yield
    finally:
        cell.send(service, signal.SIGCONT)  # type: ignore[arg-type]


@contextmanager
def s3_hangs(cell: Cell) -> Iterator[None]:
    async def silence(exchange: object, rule: Rule) -> None:
        await rule.released()
        exchange.hang_up()  # type: ignore[attr-defined]

    cell.s3.arm("*", silence, nth=None)
    yield
    cell.s3.disarm()


@contextmanager
def s3_fails(cell: Cell) -> Iterator[None]:
    cell.s3.arm("*", s3_faults.refuse(503, "SlowDown"), nth=None)
    yield
    cell.s3.disarm()


@contextmanager
def s3_drops(cell: Cell) -> Iterator[None]:
    cell.s3.arm("*", s3_faults.drop, nth=None)
    yield
    cell.s3.disarm()


@contextmanager
def postgres_hangs(cell: Cell) -> Iterator[None]:
    cell.postgres.hang()
    yield
    cell.postgres.disarm()


@contextmanager
def postgres_refuses(cell: Cell) -> Iterator[None]:
    cell.postgres.refuse()
    yield
    cell.postgres.disarm()


FAULTS: dict[str, Callable[[Cell], object]] = {
    "s3-hangs": s3_hangs,
    "s3-fails": s3_fails,
    "s3-drops": s3_drops,
    "postgres-hangs": postgres_hangs,
    "postgres-refuses": postgres_refuses,
    "metadata-frozen": lambda cell: frozen(cell, "metadata"),
    "storage-frozen": lambda cell: frozen(cell, "storage"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_door_answers_and_all_recovers(cell: Cell, fault: str) -> None:
    cell.run()
    name = f"{fault}-{uuid.uuid4().hex[:6]}"
    with http_client(cell, name) as http:
        owner = Belongings(name, http)
        asked = {door: (way, way.path(owner), dict(way.more(owner))) for door, way in WAYS.items()}
        with FAULTS[fault](cell):  # type: ignore[attr-defined]
            answers = asyncio.run(_ask_all(http, asked))
    slowest = max(answers, key=lambda answer: answer.seconds)
    sys.stdout.write(f"{fault}: {slowest.door} {slowest.status} after {slowest.seconds:.1f} s\n")
    wrong = [answer for answer in answers if not answer.is_right]
    assert wrong == [], wrong
    if fault in ("s3-fails", "s3-drops"):
        _owner_has_heard(cell, name)
    upload = new_upload(f"after-{fault}")
    key = repeat_until_stored(cell, upload)
    assert read(cell, upload.owner, key) == (200, upload.body)


def _owner_has_heard(cell: Cell, owner: str) -> None:
    """About uploads and saves that could not reach the store, whatever their route."""
    rows = cell.logins.rows(
        "SELECT DISTINCT payload ->> 'family' FROM events WHERE owner_id = %s AND type = 10", owner
    )
    assert {"file", "generation", "event_media", "project"} <= {family for (family,) in rows}


def test_the_time_budget_is_ten_seconds() -> None:
    """The longest a route may wait, from the configured limits: the slowest chain of each kind."""
    assert registry.TURN_SECONDS < 10
    assert backend.FIRST_SECONDS < 10
    assert GatewaySettings.model_fields["rpc_seconds"].default < 10
    assert engine.PATIENCE_SECONDS + calls.STEP_SECONDS < 10
    assert (options.SILENCE_MS + options.PING_TIMEOUT_MS + options.CONNECT_MS) / 1000 < 10


async def _ask_all(
    client: httpx.Client, asked: dict[str, tuple[Way, str, dict[str, object]]]
) -> list[Answer]:
    """All routes at once."""
    async with httpx.AsyncClient(
        base_url=client.base_url,
        headers=client.headers,
        timeout=PATIENCE,
        trust_env=False,
        verify=False,
        limits=httpx.Limits(max_connections=None),
    ) as http:
        return await asyncio.gather(*(_ask(http, door, *how) for door, how in asked.items()))


async def _ask(http: httpx.AsyncClient, door: str, way: Way, path: str, more: dict[str, object]) -> Answer:
    began = time.monotonic()
    try:
        async with http.stream(door.partition(" ")[0], path, **more) as reply:  # type: ignore[arg-type]
            text = (
                ""
                if way.stream and reply.status_code == 200
                else (await reply.aread())[:300].decode("latin-1")
            )
    except httpx.RemoteProtocolError as error:  # an answer that broke off
        return Answer(door, 206, "", time.monotonic() - began, str(error))
    seconds = time.monotonic() - began
    return Answer(door, reply.status_code, reply.headers.get("retry-after", ""), seconds, text)
