"""Several statements in one round trip, prepared once per connection, with parameters and results in binary.

Behind a pooler each transaction may have another session, so statements are not prepared by name but parsed
each time, in the same round trip.

This makes the libpq calls of psycopg's pipeline mode (libpq, "Pipeline Mode") through its public wrapper
`psycopg.pq`, and uses psycopg's adaptation of values; it leaves out its cursors and book-keeping per
statement, which cost more CPU than all the rest. Measured on scope + insert + COMMIT with eight callers: 152
µs against 277 µs.
"""

from __future__ import annotations

import asyncio
import re
import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, Final, TypeAlias, TypeVar

from psycopg import AsyncConnection
from psycopg.abc import Buffer, PQGen
from psycopg.abc import Transformer as Adapter
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait, wait_async

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]
Params: TypeAlias = Mapping[str, object] | Sequence[object]
Statement: TypeAlias = tuple[str, Params]

_PLACEHOLDER: Final = re.compile(r"%(?:\((?P<name>\w+)\))?s|%%")
_FAILED: Final = {ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE}


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one statement: its rows, how many it changed or found, and its command tag (`COMMIT`)."""

    rows: list[Row]
    count: int
    tag: str


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement with `$1`…; `names` are its parameters in that order, None if they are passed as a
    sequence.
    """

    text: bytes
    names: tuple[str, ...] | None

    def values(self, params: Params) -> Sequence[object]:
        """The parameters in the order of the placeholders."""
        if self.names is None:
            return list(params)
        if not isinstance(params, Mapping):
            raise TypeError("this statement names its parameters")
        return [params[name] for name in self.names]


@lru_cache(maxsize=1024)
def compiled(statement: str) -> _Compiled:
    """Translate `%s`, `%(name)s` and `%%` for libpq. A name that occurs twice becomes one parameter."""
    names: list[str] = []
    numbered = 0

    def number(found: re.Match[str]) -> str:
        nonlocal numbered
        if found[0] == "%%":
            return "%"
        name = found["name"]
        if name is None:
            numbered += 1
            return f"${numbered}"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    text = _PLACEHOLDER.sub(number, statement)
    if names and numbered:
        raise ValueError("a statement either names its parameters or numbers them")
    return _Compiled(text.encode(), tuple(names) if names else None)


@dataclass(frozen=True, slots=True)
class _Call:
    """A statement with its serialized values. `key`: its text and parameter types, since the same text with
    other types is prepared separately.
    """

    key: tuple[bytes, tuple[int, ...]]
    values: Sequence[Buffer | None] = ()
    formats: Sequence[Format] = ()


class ExchangeConnection(AsyncConnection[Row]):
    """A connection that can send many statements at once."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._numbers = count()
        self._adapter: Adapter | None = None
        self.timed: Callable[[float], None] | None = None
        """Called with the duration of each exchange in seconds."""
        self.opened = 0.0
        """When the pool opened it, by `time.monotonic`."""
        self.opening: tuple[Statement, ...] = ()
        """Statements at the start of each transaction. Behind a pooler these set the limits, since a session
        is not kept.
        """
        self.is_pooled = False
        """Whether a pooler may give each transaction another session; then no statement is
        prepared by name.
        """
        self.failed_at: int | None = None
        """Index of the statement of the last exchange that the server refused; None: none."""

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg's, but a cancelled caller returns at once and the connection is closed.

        psycopg would ask the server to cancel and wait up to ten seconds for it. A frozen server, the most
        common reason, never answers. The server itself ends statements that are still running
        (`client_connection_check_interval`, `statement_timeout`).
        """
        try:
            return await wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise

    async def exchange(self, statements: Sequence[Statement]) -> list[Result]:
        """Send all statements and wait for their results. Outside of BEGIN and COMMIT they form one
        transaction.

        Raises the psycopg error of the first statement that fails; those after it have not run. Anything else
        that goes wrong (the caller is cancelled, the server is gone) closes the connection.
        """
        self.failed_at = None
        began = time.perf_counter()
        calls = [self._call(compiled(text), params) for text, params in statements]
        try:
            new = self._send(calls)
            answers = await self.wait(_conversation(self.pgconn))
            self.pgconn.exit_pipeline_mode()
        except BaseException:
            self.pgconn.finish()
            raise
        if self.timed is not None:
            self.timed(time.perf_counter() - began)
        failed = next((place for place, answer in enumerate(answers) if answer.status in _FAILED), None)
        if failed is not None:
            self._forget_skipped(new, answers)
            self.failed_at = failed - sum(place < failed for place in new)
            raise error_from_result(answers[failed], self.info.encoding)
        adapter = self._adaptation()
        return [_result(adapter, answer) for place, answer in enumerate(answers) if place not in new]

    def has_ended(self) -> bool:
        """Whether the server has sent something on this idle connection, most often that it closes it.

        A COMMIT sent on it would be lost with an unknown outcome. Takes one system call.
        """
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return bool(poll.poll(0))

    def _adaptation(self) -> Adapter:
        """The adapter for the life of the connection, created after `configure` has registered
        its dumpers.
        """
        if self._adapter is None:
            self._adapter = Transformer(self)
        return self._adapter

    def _call(self, statement: _Compiled, params: Params) -> _Call:
        if not params:
            return _Call((statement.text, ()))
        given = statement.values(params)
        # psycopg would keep the element type of the first list for all later lists.
        has_list = list in map(type, given)
        adapter: Adapter = Transformer(self) if has_list else self._adaptation()
        values = adapter.dump_sequence(given, [PyFormat.AUTO] * len(given))
        return _Call((statement.text, tuple(adapter.types or ())), values, adapter.formats or ())

    def _send(self, calls: Sequence[_Call]) -> dict[int, tuple[bytes, tuple[int, ...]]]:
        """Queue all calls. Returns the positions of the results that belong to new preparations, with their
        keys.
        """
        new: dict[int, tuple[bytes, tuple[int, ...]]] = {}
        connection = self.pgconn
        connection.enter_pipeline_mode()
        for place, call in enumerate(calls):
            if self.is_pooled:
                text, types = call.key
                connection.send_query_params(text, call.values, types, call.formats, Format.BINARY)
                continue
            name = self._names.get(call.key)
            if name is None:
                name = self._names[call.key] = b"s%d" % next(self._numbers)
                new[place + len(new)] = call.key
                connection.send_prepare(name, *call.key)
            connection.send_query_prepared(name, call.values, call.formats, Format.BINARY)
        connection.pipeline_sync()
        return new

    def _forget_skipped(
        self, new: Mapping[int, tuple[bytes, tuple[int, ...]]], answers: Sequence[PGresult]
    ) -> None:
        """Forget preparations that failed or came after the failed statement."""
        for place, key in new.items():
            if answers[place].status != ExecStatus.COMMAND_OK:
                del self._names[key]


def _conversation(connection: PGconn) -> PQGen[list[PGresult]]:
    """Send the queued data and read until the Sync is answered."""
    answers: list[PGresult] = []
    while connection.flush():
        if (yield Wait.RW) & Ready.R:
            connection.consume_input()
    while True:
        while connection.is_busy():
            yield Wait.R
            connection.consume_input()
        answer = connection.get_result()
        if answer is None:  # end of a statement's results
            continue
        if answer.status == ExecStatus.PIPELINE_SYNC:
            return answers
        answers.append(answer)


def _result(adapter: Adapter, answer: PGresult) -> Result:
    rows: list[Row] = []
    if answer.ntuples:
        adapter.set_pgresult(answer, format=Format.BINARY)
        rows = adapter.load_rows(0, answer.ntuples, tuple)
    status = answer.command_status
    return Result(rows, answer.command_tuples or 0, status.decode() if status else "")
