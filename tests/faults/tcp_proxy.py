"""A TCP proxy in front of Postgres that breaks connections around COMMIT.

It parses frontend messages (PostgreSQL manual, "Message Formats") as far as needed to know a transaction's
statements and when its COMMIT is sent; everything else passes unmodified. Connections must be unencrypted:
the proxy refuses requests for encryption.

``rule = proxy.arm("INSERT INTO files", at="after")``: the first COMMIT of a transaction with a statement
containing this text is applied, and its answer never arrives.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Self

from tests.faults.background import BackgroundLoop
from tests.stack import until

Moment = Literal["before", "mid", "race", "after", "slow"]
_READ = 1 << 18
_HEADER = 5
_COMMITTED = b"Z\0\0\0\5I"  # ReadyForQuery, outside of a transaction
_ENCRYPTION_REQUESTS = (80877103, 80877104)  # SSLRequest, GSSENCRequest


@dataclass(eq=False)
class CommitRule:
    """An armed fault: ``before`` the COMMIT reaches the server, in the ``mid``dle of it, or ``after`` its
    answer.

    ``owner``: only for this owner's transactions. ``race`` sends it without waiting: it may be applied or
    not. ``slow`` delays it by ``seconds`` and lets it pass. ``then`` is called at that moment, in a thread.
    """

    sql: str
    at: Moment
    owner: str = ""
    seconds: float = 0.0
    then: Callable[[], None] | None = None
    reached: threading.Event = field(default_factory=threading.Event)

    def wait_reached(self) -> None:
        """Wait until a transaction has met the fault."""
        until(f"the COMMIT after {self.sql!r} meets its fault", self.reached.is_set)


class Statements:
    """The statements of a connection's current transaction, from its frontend messages."""

    def __init__(self) -> None:
        self._prepared: dict[bytes, bytes] = {}
        self._text = b""

    def see(self, kind: bytes, payload: bytes) -> bool:
        """Process a message. Returns whether it executes COMMIT."""
        statement = b""
        if kind == b"Q":
            statement = payload.rstrip(b"\0")
        elif kind == b"P":
            name, query, _ = payload.split(b"\0", 2)
            self._prepared[name] = query
        elif kind == b"B":
            statement = self._prepared.get(payload.split(b"\0", 2)[1], b"")
        if statement.strip().upper() == b"BEGIN":
            self._text = b""
        self._text += statement + b"\n" + (payload if kind == b"B" else b"")
        return statement.strip().upper() == b"COMMIT"

    def ran(self, sql: str) -> bool:
        """Whether a statement of this transaction, or one of its values, contains this text."""
        return sql.encode() in self._text


class PostgresProxy:
    """``with PostgresProxy(host, port) as proxy:``; ``proxy.port`` goes into the DSN."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._loop = BackgroundLoop("postgres-proxy")
        self._rules: list[CommitRule] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._refusing = False
        self._turned_away = 0
        self.hanging = False
        self.port = self._loop.serve(self._serve)

    def arm(
        self,
        sql: str,
        *,
        at: Moment,
        owner: str = "",
        seconds: float = 0.0,
        then: Callable[[], None] | None = None,
    ) -> CommitRule:
        """Let the next COMMIT of a transaction that ran ``sql`` (of this owner) meet a fault."""
        rule = CommitRule(sql, at, owner, seconds, then)
        self._rules.append(rule)
        return rule

    def disarm(self) -> None:
        """Let everything pass."""
        self._rules = []
        self._refusing = False
        self._turned_away = 0
        self.hanging = False

    def turn_away(self, connections: int) -> None:
        """Answer the next connections like a server without free connections (53300)."""
        self._turned_away = connections

    def retire(self, rule: CommitRule) -> None:
        """Disarm this rule."""
        self._rules = [kept for kept in self._rules if kept is not rule]

    def hang(self) -> None:
        """Accept, and pass nothing in either direction until ``disarm``: a frozen server."""
        self.hanging = True

    async def flows(self) -> None:
        """Wait until bytes may pass."""
        while self.hanging:  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.02)

    def refuse(self) -> None:
        """Drop every connection, and refuse new ones until ``disarm``."""
        self._refusing = True
        self.drop_all()

    def drop_all(self) -> None:
        """Drop every connection; new ones work."""

        async def drop() -> None:
            for writer in self._open:
                writer.transport.abort()

        self._loop.run(drop())

    def close(self) -> None:
        """Stop listening and drop every connection."""
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        await self.flows()
        if self._turned_away:
            self._turned_away -= 1
            await _tell_too_many(reader, writer)
            return
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            writer.transport.abort()
            return
        session = _Session(self, (reader, writer), (up_reader, up_writer))
        self._open |= {writer, up_writer}
        try:
            await session.run()
        finally:
            self._open -= {writer, up_writer}

    def take(self, statements: Statements) -> CommitRule | None:
        """The rule that this transaction's COMMIT meets; each is met once."""
        for rule in self._rules:
            if statements.ran(rule.sql) and statements.ran(rule.owner):
                self._rules.remove(rule)
                return rule
        return None


async def _tell_too_many(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _startup_message(reader, writer)
    fields = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0"
    writer.write(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
    await writer.drain()


async def _startup_message(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The StartupMessage; earlier requests for encryption are refused."""
    while True:
        size = await reader.readexactly(4)
        body = await reader.readexactly(int.from_bytes(size, "big") - 4)
        if int.from_bytes(body[:4], "big") not in _ENCRYPTION_REQUESTS:
            return size + body
        writer.write(b"N")


def _ends(data: bytes) -> Iterator[int]:
    """The end of each complete message: a letter, the length of the rest including itself, the rest."""
    begin = 0
    while (rest := begin + _HEADER) <= len(data):
        begin += 1 + int.from_bytes(data[begin + 1 : rest], "big")
        if begin > len(data):
            return
        yield begin


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Session:
    """A client's connection and its connection to the server."""

    def __init__(self, proxy: PostgresProxy, client: Streams, server: Streams) -> None:
        self._proxy = proxy
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._swallow = False
        self._answered = asyncio.Event()

    async def run(self) -> None:
        """Run until either side ends."""
        tasks = [asyncio.create_task(self._upward()), asyncio.create_task(self._downward())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._to_client.transport.abort()
            self._to_server.transport.abort()

    async def _downward(self) -> None:
        kept = b""
        while _COMMITTED not in kept and (piece := await self._from_server.read(_READ)):
            await self._proxy.flows()
            if self._swallow:
                kept += piece  # includes what precedes the COMMIT, if everything was sent at once
                continue
            self._to_client.write(piece)
            await self._to_client.drain()
        self._answered.set()

    async def _upward(self) -> None:
        self._to_server.write(await _startup_message(self._from_client, self._to_client))
        statements, left = Statements(), b""
        while piece := await self._from_client.read(_READ):
            await self._proxy.flows()
            data, sent, begin = left + piece, 0, 0  # a transaction mostly arrives, and is passed on, at once
            for end in _ends(data):
                seen = statements.see(data[begin : begin + 1], data[begin + _HEADER : end])
                if seen and (rule := self._proxy.take(statements)):
                    self._to_server.write(data[sent:begin])
                    await self._fail(rule, data[begin:end])
                    if rule.at != "slow":
                        return
                    sent = end
                begin = end
            self._to_server.write(data[sent:begin])
            await self._to_server.drain()
            left = data[begin:]

    async def _fail(self, rule: CommitRule, commit: bytes) -> None:
        """Apply the rule to this COMMIT; returning from _upward then drops both connections."""
        rule.reached.set()
        if rule.at == "mid":
            self._to_server.write(commit[: len(commit) // 2])
            await self._to_server.drain()
        elif rule.at in ("after", "race"):
            await self._send_whole(commit)
            if rule.at == "after":
                await self._answered.wait()
        elif rule.at == "slow":
            await asyncio.sleep(rule.seconds)
            self._to_server.write(commit)
        if rule.then is not None:  # also if the session ends before the thread has begun
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, rule.then))

    async def _send_whole(self, commit: bytes) -> None:
        """Let the server commit, and withhold its answer.

        In the extended protocol the COMMIT is executed only at the Execute and Sync after this Bind.
        """
        self._swallow = True
        self._to_server.write(commit)
        if commit[:1] == b"B":
            self._to_server.write(b"E\0\0\0\x09\0\0\0\0\0" + b"S\0\0\0\x04")
        await self._to_server.drain()
