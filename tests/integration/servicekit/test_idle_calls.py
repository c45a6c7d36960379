"""Calls whose message never comes, or whose answer is never read, take nobody else's place.

With raw frames: client libraries send a unary request's message with its headers.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Self

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # no types published
from pydantic import SecretStr

from benchmarks.attacks.http2 import PREFACE, frame
from servicekit.auth.credentials import GATEWAY, GatewayCredential
from servicekit.interceptors import errors
from servicekit.interceptors.remote import OWNER
from servicekit.limits import CapSettings, limiter
from servicekit.serving.server import serve_in_process
from servicekit.telemetry import logs
from servicekit.telemetry.logs import Sink
from strongroom.errors import DeadlineExceeded
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadResponse
from tests.integration.servicekit.echo import SERVICE, Echo, EchoStub, bearer, settings
from tests.integration.servicekit.test_http2_floods import (
    DATA,
    END_HEADERS,
    HEADERS,
    RESET,
    SETTINGS,
    STREAMS,
    literal,
)

END_STREAM = 1
INITIAL_WINDOW = 4
GATEWAY_SECRET = "g" * 32
ONE = GetUploadRequest(upload_id="u")
Metadata = tuple[tuple[str, str], ...]


def head(path: str, metadata: Metadata) -> bytes:
    """The header block of a call."""
    pseudo = ((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"))
    fields = (*pseudo, ("content-type", "application/grpc"), ("te", "trailers"), *metadata)
    return b"".join(literal(name.encode(), value.encode()) for name, value in fields)


def message(body: bytes) -> bytes:
    """A message with its prefix."""
    return b"\0" + struct.pack(">I", len(body)) + body


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a state."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - states of a server
            await asyncio.sleep(0.01)


class Peer:
    """A connection that opens calls and reads no answers but their ends. ``window``: of each stream.

    ``answered``: streams whose answer has begun; ``ended``: those that the server has ended, with a status or
    a reset (which it may send later).
    """

    def __init__(self, address: str, window: int = 0) -> None:
        self._address = address
        self._window = window
        self._streams = iter(STREAMS)
        self.answered, self.ended = set[int](), set[int]()

    async def __aenter__(self) -> Self:
        host, _, port = self._address.rpartition(":")
        self._reader, self._writer = await asyncio.open_connection(host, int(port))
        self._writer.write(PREFACE + frame(SETTINGS, 0, struct.pack(">HI", INITIAL_WINDOW, self._window)))
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.cancel()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def call(self, times: int, path: str, metadata: Metadata, body: bytes | None = None) -> list[int]:
        """Open calls. ``body``: their message; None: it never comes. Returns their streams."""
        opened = list(self._next(times))
        for stream in opened:
            self._writer.write(frame(HEADERS, stream, head(path, metadata), END_HEADERS))
            if body is not None:
                self.send(stream, body)
        return opened

    def send(self, stream: int, body: bytes) -> None:
        """Send the message of a call."""
        self._writer.write(frame(DATA, stream, message(body), END_STREAM))

    def _next(self, times: int) -> Iterator[int]:
        return (next(self._streams) for _ in range(times))

    async def until_ended(self, count: int) -> None:
        """Wait until the server has ended this many calls."""
        await until(lambda: len(self.ended) >= count)

    async def _listen(self) -> None:
        while True:
            top = await self._reader.readexactly(9)
            await self._reader.readexactly(int.from_bytes(top[:3], "big"))
            kind, flags, stream = top[3], top[4], int.from_bytes(top[5:], "big")
            if kind == HEADERS:
                self.answered.add(stream)
            if (kind == HEADERS and flags & END_STREAM) or kind == RESET:
                self.ended.add(stream)


LONG = UploadResponse(url="x" * 10_000)


async def long_answer(_: GetUploadRequest, context: Any) -> UploadResponse:
    return LONG


async def long_answers(_: GetUploadRequest, context: Any) -> AsyncIterator[UploadResponse]:
    for _n in range(10):
        yield LONG


@contextlib.asynccontextmanager
async def serving(*, send_idle_seconds: float = 60, **limits: Any) -> AsyncIterator[str]:
    given = settings(max_concurrent_rpcs=16, send_idle_seconds=send_idle_seconds)
    echo = Echo(unary=long_answer, server_stream=long_answers)
    async with serve_in_process(echo.spec(limits=CapSettings(**limits)), given) as address:
        yield address


async def answers(address: str, user: str, gateway: str = "") -> Counter[str]:
    """The outcomes of three calls of ``user``. ``gateway``: its proof, if they come through the gateway."""
    metadata = (*bearer(user), ("x-strongroom-gateway", gateway)) if gateway else bearer(user)
    found = Counter[str]()
    async with aio.insecure_channel(address) as channel:
        for _ in range(3):
            try:
                await EchoStub(channel).unary(ONE, metadata=metadata, timeout=60)
                found["OK"] += 1
            except aio.AioRpcError as error:
                found[error.code().name] += 1
    return found


METHODS = (f"/{SERVICE}/Unary", f"/{SERVICE}/ServerStream")


@pytest.mark.parametrize("path", METHODS)
async def test_without_a_token_a_call_is_refused_before_its_message(path: str) -> None:
    async with serving() as address, Peer(address) as peer:
        peer.call(40, path, ())
        await peer.until_ended(40)
        assert await answers(address, "bob") == {"OK": 3}


@pytest.mark.parametrize("path", METHODS)
async def test_one_user_cannot_take_all_places(path: str) -> None:
    async with serving(user_calls=4) as address:
        async with Peer(address) as peer:
            peer.call(40, path, bearer("mallory"))
            await peer.until_ended(36)
            assert await answers(address, "bob") == {"OK": 3}
            assert await answers(address, "mallory") == {"RESOURCE_EXHAUSTED": 3}
        async with asyncio.timeout(60):
            while await answers(address, "mallory") != {"OK": 3}:  # noqa: ASYNC110 - hears of it a little later
                await asyncio.sleep(0.01)


async def test_all_users_together_leave_room_for_the_gateway() -> None:
    secret = "a third secret of thirty-two bytes"
    async with serving(user_calls=4, gateway_secret=SecretStr(secret)) as address, Peer(address) as peer:
        for user in ("a", "b", "c"):
            peer.call(4, METHODS[0], bearer(user))
        await peer.until_ended(4)
        assert await answers(address, "bob") == {"UNAVAILABLE": 3}
        assert await answers(address, "bob", gateway=GatewayCredential(secret).mint()) == {"OK": 3}


async def test_unread_answers_of_one_user_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    async def list_(_: GetUploadRequest, context: Any) -> UploadResponse:
        return UploadResponse(url="x" * 100_000)

    monkeypatch.setattr(limiter, "UNREAD_BYTES", 1_050_000)
    spec = Echo(unary=list_).spec(limits=CapSettings())
    async with serve_in_process(spec, settings(max_concurrent_rpcs=200)) as address:
        async with Peer(address) as peer:
            peer.call(40, METHODS[0], bearer("mallory"), ONE.SerializeToString())
            await until(lambda: len(peer.answered) == 40)
            assert len(peer.ended) == 30
            assert await answers(address, "mallory") == {"RESOURCE_EXHAUSTED": 3}
            assert await answers(address, "bob") == {"OK": 3}
        async with asyncio.timeout(60):
            while await answers(address, "mallory") != {"OK": 3}:  # noqa: ASYNC110 - hears of it a little later
                await asyncio.sleep(0.01)


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Where the server logs its calls."""
    stream = io.StringIO()
    monkeypatch.setattr(logs, "_current_sink", [Sink("echo", stream=stream)])
    return stream


def levels(lines: io.StringIO) -> list[str]:
    """The levels of the failed calls, once the server has ended."""
    calls = [json.loads(line) for line in lines.getvalue().splitlines() if '"rpc"' in line]
    return [call["level"] for call in calls if call["code"] != "OK"]


@pytest.mark.parametrize("path", METHODS)
async def test_a_message_has_to_come(path: str, log_lines: io.StringIO) -> None:
    async with serving(send_idle_seconds=0.3) as address, Peer(address) as peer:
        peer.call(6, path, bearer("mallory"))
        await peer.until_ended(6)
        assert await answers(address, "mallory") == {"OK": 3}
    assert levels(log_lines) == ["warning"] * 6  # no failures of ours


async def test_a_deadline_of_the_caller_is_no_error(log_lines: io.StringIO) -> None:
    async def late(_: GetUploadRequest, context: Any) -> UploadResponse:
        raise DeadlineExceeded("no time left")

    async with (
        serve_in_process(Echo(unary=late).spec(), settings()) as address,
        aio.insecure_channel(address) as channel,
    ):
        call = EchoStub(channel).unary
        for deadline in (60, None):
            with pytest.raises(aio.AioRpcError):
                await call(ONE, metadata=bearer(), timeout=deadline)
    assert levels(log_lines) == ["warning", "error"]


@pytest.mark.parametrize("path", METHODS)
async def test_calls_of_the_gateway_have_no_time_limit_of_ours(path: str) -> None:
    """It has limits of its own, and timers cost each of its calls."""
    proof, forged = (GatewayCredential(secret).mint() for secret in (GATEWAY_SECRET, "z" * 32))
    async with (
        serving(send_idle_seconds=0.3, gateway_secret=GATEWAY_SECRET) as address,
        Peer(address) as peer,
    ):
        (ours,) = peer.call(1, path, (*bearer("alice"), (GATEWAY, proof)))
        (theirs,) = peer.call(1, path, (*bearer("mallory"), (GATEWAY, forged)))
        await until(lambda: theirs in peer.ended)
        assert ours not in peer.answered | peer.ended
        peer.send(ours, ONE.SerializeToString())
        await until(lambda: ours in peer.answered)
        assert ours not in peer.ended  # its answer waits for the window


@pytest.mark.parametrize("path", METHODS)
@pytest.mark.parametrize("window", [0, 5])
async def test_an_unread_answer_is_forgotten(
    path: str, window: int, monkeypatch: pytest.MonkeyPatch, log_lines: io.StringIO
) -> None:
    """The tasks of gRPC end as well: they would keep the answer as long as the connection."""
    monkeypatch.setattr(errors, "ABORT_SECONDS", 0.1)
    async with serving(send_idle_seconds=0.3, user_calls=4) as address, Peer(address, window) as peer:
        for times in (4, 8, 12):
            peer.call(4, path, bearer("mallory"), ONE.SerializeToString())
            await until(lambda times=times: len(peer.answered) == times)  # type: ignore[misc]
            await until(lambda: not any(task.get_name() == OWNER for task in asyncio.all_tasks()))
        assert await answers(address, "mallory") == {"OK": 3}
    assert "error" not in levels(log_lines)


async def test_probes_left_open_leave_room_for_others() -> None:
    everything = health_pb2.HealthCheckRequest().SerializeToString()
    async with serving(user_calls=4) as address, Peer(address) as peer:
        peer.call(20, "/grpc.health.v1.Health/Watch", (), everything)
        peer.call(20, "/grpc.health.v1.Health/Check", ())
        await peer.until_ended(36)
        assert await answers(address, "bob") == {"OK": 3}
