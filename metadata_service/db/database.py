"""Transactions: a pool of psycopg connections, each transaction bound to one user or to the system.

A transaction begins by setting `app.uid` (the user) or `app.scope` (`system`) for itself only; row-level
security shows it nothing else. Both are set each time, so nothing is left of whoever used the connection
before.

`BEGIN`, the setting and the first statement travel together, so a transaction of one statement costs two
round trips, and a read one. Work is given as a function because a transaction may have to be run again:
after 40001 and 40P01 always, after a lost connection unless COMMIT was on its way (then nobody knows, rule
R4).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, NoReturn, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from metadata_service.db import revisions
from metadata_service.db.errors import (
    REFUSES_WRITES,
    REPEATABLE,
    RETRY_AFTER_SECONDS,
    connection_is_lost,
    translated,
)
from metadata_service.db.exchange import ExchangeConnection, Params, Result, Row, Statement
from metadata_service.db.metrics import DatabaseMetrics, Kind
from metadata_service.db.pool import Borrowed, Pool
from metadata_service.db.scopes import (
    SYSTEM,
    Part,
    Scope,
    erasing,
    owner_at,
    rows_of_parts,
    statements_of,
    tells,
    user,
)
from metadata_service.db.standby import ANSWER_SECONDS, Standby
from servicekit import failpoints
from servicekit.telemetry.spans import Value
from servicekit.telemetry.tracing import call
from strongroom.errors import DatabaseUnavailable

__all__ = [
    "SYSTEM",
    "Database",
    "NothingCommitted",
    "Params",
    "Part",
    "Pool",
    "Row",
    "Scope",
    "Statement",
    "Transaction",
    "erasing",
    "user",
]

T = TypeVar("T")

TRIES: Final = 6
#: How long a user's transaction may take with all its tries, the wait for a connection included. Seconds.
#: The server's own limits (statement_timeout) end nothing when the server is frozen or out of reach.
USER_SECONDS: Final = 5.0
#: The same for those that write thousands of rows.
LARGE_SECONDS: Final = 8.0
#: The same for the system's own work, which nobody waits for.
SYSTEM_SECONDS: Final = 20.0
#: After a write was refused for want of room, the database counts as full until one is taken, or so long.
FULL_SECONDS: Final = 15.0
_SPAN: Final[Mapping[str, Value]] = {"db.system.name": "postgresql"}
_BEGIN: Final[Statement] = ("BEGIN", ())
_COMMIT: Final[Statement] = ("COMMIT", ())
_ROLLBACK: Final[Statement] = ("ROLLBACK", ())
#: How long a statement waits for a lock in a transaction of several owners, who all wait with it.
_BRIEF_LOCKS: Final[Statement] = ("SELECT set_config('lock_timeout', '500ms', true)", ())


class NothingCommitted(Exception):
    """A transaction of several owners did not come to its COMMIT: each may be tried alone. Never leaves the
    service. `owner_id`: whose statement was refused, if one was.
    """

    def __init__(self, owner_id: str | None = None) -> None:
        super().__init__(owner_id)
        self.owner_id = owner_id


class Transaction:
    """One open transaction. Errors come out as psycopg's; `Database` translates them."""

    def __init__(self, connection: ExchangeConnection, scope: Scope) -> None:
        self._connection = connection
        self._scope = scope
        self._begun = False
        self._last: list[Statement] = []
        self._undone = False
        self.has_events = False

    async def fetch(self, query: str, params: Params = ()) -> list[Row]:
        """All rows of one statement."""
        return (await self._send([(query, params)]))[0].rows

    async def fetch_one(self, query: str, params: Params = ()) -> Row | None:
        """The first row of one statement."""
        rows = await self.fetch(query, params)
        return rows[0] if rows else None

    async def execute(self, query: str, params: Params = ()) -> int:
        """How many rows one statement changed."""
        return (await self._send([(query, params)]))[0].count

    async def batch(self, statements: Sequence[Statement]) -> list[int]:
        """How many rows each statement changed; all go out in one round trip."""
        return [result.count for result in await self._send(statements)]

    async def fetch_batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """All rows of each statement; all go out in one round trip."""
        return [result.rows for result in await self._send(statements)]

    def with_commit(self, statements: Sequence[Statement]) -> None:
        """Send these in the round trip of COMMIT. For the last of a transaction, whose answers nobody needs;
        if one fails, nothing is committed.
        """
        self._last += statements

    def undo(self) -> None:
        """Nothing of this transaction is to stay: it ends with ROLLBACK, and its work's result counts."""
        self._undone = True

    async def commit(self) -> None:
        """COMMIT, or after `undo` ROLLBACK. A server that rolls back because the transaction had failed is an
        error here.

        Raises DatabaseUnavailable when the connection is lost: nobody knows the outcome then.
        """
        if self._undone:
            await self.rollback()
            return
        if not self._begun and not self._last:
            return
        try:
            results = await self._send([*self._last, _COMMIT])
        except psycopg.OperationalError as error:
            if isinstance(error, REPEATABLE) or not connection_is_lost(error):
                raise
            raise in_doubt() from error
        _must_have_committed(results)

    async def rollback(self) -> None:
        """ROLLBACK, if anything was begun."""
        status = self._connection.info.transaction_status
        if status not in {TransactionStatus.IDLE, TransactionStatus.UNKNOWN}:
            await self._connection.exchange([_ROLLBACK])

    async def _send(self, statements: Sequence[Statement]) -> list[Result]:
        self.has_events = self.has_events or tells(statements)
        if self._begun:
            return await self._connection.exchange(statements)
        asked = revisions.asked_for(self._scope.uid)
        first = [_BEGIN, *self._connection.opening, self._scope.statement()]
        results = await self._connection.exchange([*first, *asked, *statements])
        self._begun = True
        begun = len(first) + len(asked)
        revisions.answered(results[len(first) : begun])
        return results[begun:]


def in_doubt() -> DatabaseUnavailable:
    """COMMIT was on its way, and nobody knows whether it happened (rule R4)."""
    return DatabaseUnavailable(
        "The database went away while the change was being committed; check whether it was applied.",
        retry_after=RETRY_AFTER_SECONDS,
    )


def _must_have_committed(results: Sequence[Result]) -> None:
    if results[-1].tag != "COMMIT":
        raise psycopg.InternalError("the server rolled back instead of committing")


class Database:
    """Runs transactions on a pool that `bootstrap` opened; `committed` is told whose has written events."""

    def __init__(
        self,
        pool: Pool,
        committed: Callable[[str], None] | None = None,
        metrics: DatabaseMetrics | None = None,
    ) -> None:
        self._pool = pool
        self._committed = committed
        self._refused_at: float | None = None
        self._metrics = metrics or DatabaseMetrics()
        self._metrics.pool = pool.get_stats
        self._metrics.takes_writes = lambda: self.takes_writes
        self._standby: tuple[Standby, Database] | None = None

    def with_standby(self, standby: Standby, there: Database) -> None:
        """Lists may be answered by ``there``, as far as ``standby`` allows."""
        self._standby = standby, there

    @property
    def takes_writes(self) -> bool:
        """False for a while after the server has refused one: its disk is full, or it is a standby."""
        return self._refused_at is None or time.monotonic() - self._refused_at > FULL_SECONDS

    async def transact(
        self, scope: Scope, work: Callable[[Transaction], Awaitable[T]], *, seconds: float = USER_SECONDS
    ) -> T:
        """Run `work` in one transaction and commit it. `work` may run more than once and must only touch the
        transaction. `seconds`: how long all of it may take, for a user's.

        Raises what `work` raises (then nothing happened), UniqueConflict, InvalidField (text that can't be
        stored), DatabaseUnavailable (when COMMIT was on its way the outcome is unknown).
        """
        seconds = SYSTEM_SECONDS if scope == SYSTEM else seconds
        try:
            return await self._in_time("transaction", seconds, partial(self._attempt, scope, work))
        finally:
            self._wrote(scope.uid)  # whatever became of it

    async def together(
        self, parts: Sequence[Part], before_commit: Callable[[], Awaitable[None]]
    ) -> list[list[list[Row]]]:
        """Run the parts in one transaction and one round trip, BEGIN and COMMIT included, each as its owner:
        all of them or none. Answers the rows of each statement of each part.

        Never run again. Raises NothingCommitted (a statement failed), DatabaseUnavailable (no connection was
        to be had, or COMMIT was on its way and the outcome is unknown). `before_commit`: for failpoints,
        without which nothing waits between the statements and COMMIT.
        """
        try:
            results = await self._in_time(
                "group", USER_SECONDS, partial(self._together, parts, before_commit)
            )
        finally:
            for part in parts:
                self._wrote(part.owner_id)
        self._refused_at = None
        for part in parts:
            if not part.silent and tells(part.statements):
                self.tell(part.owner_id)
        return results

    async def read(
        self, scope: Scope, query: str, params: Params = (), *, within: float | None = None
    ) -> list[Row]:
        """All rows of one query, in one round trip and a transaction of its own; `within` so many seconds,
        else as long as `scope` may wait. Raises DatabaseUnavailable, InvalidField.
        """
        seconds = within or (SYSTEM_SECONDS if scope == SYSTEM else USER_SECONDS)
        return await self._in_time("read", seconds, partial(self._read, scope, query, params))

    async def read_list(self, scope: Scope, query: str, params: Params = ()) -> list[Row]:
        """As ``read``, for lists: the answer may be some seconds old, but has all that the owner has written
        through here.
        """
        if self._standby is None:
            return await self.read(scope, query, params)
        standby, there = self._standby
        return await standby.read(
            scope.uid,
            lambda: there.read(scope, query, params, within=ANSWER_SECONDS),
            lambda: self.read(scope, query, params),
        )

    def _wrote(self, owner_id: str) -> None:
        if self._standby is not None and owner_id:
            self._standby[0].wrote(owner_id)

    def tell(self, owner_id: str) -> None:
        """There are new events of this owner. Nobody (an empty id) is not told."""
        if self._committed is not None and owner_id:
            self._committed(owner_id)

    async def _in_time(self, kind: Kind, seconds: float, attempt: Callable[[], Awaitable[T]]) -> T:
        """As `_repeated`. A connection that still waits then is closed: a frozen server takes no ROLLBACK."""
        limit = asyncio.timeout(seconds)
        began = time.perf_counter()
        try:
            async with limit:
                with call(f"postgresql {kind}", _SPAN):
                    return await self._repeated(attempt)
        except TimeoutError as error:
            if not limit.expired():
                raise
            self._metrics.failed(error)
            raise DatabaseUnavailable(
                "The database did not answer in time; try again.", retry_after=RETRY_AFTER_SECONDS
            ) from error
        finally:
            self._metrics.ended(kind, time.perf_counter() - began)

    async def _attempt(self, scope: Scope, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async with Borrowed(self._pool, self._metrics) as connection:
            transaction = Transaction(connection, scope)
            try:
                result = await work(transaction)
                await transaction.commit()
            except Exception:
                # Without a connection the server undoes it.
                with contextlib.suppress(psycopg.OperationalError):
                    await transaction.rollback()
                raise
            self._refused_at = None
            if transaction.has_events:
                self.tell(scope.uid)
            return result

    async def _together(
        self, parts: Sequence[Part], before_commit: Callable[[], Awaitable[None]]
    ) -> list[list[list[Row]]]:
        async with Borrowed(self._pool, self._metrics) as connection:
            if connection.has_ended():
                raise NothingCommitted
            first = [_BEGIN, *connection.opening, *([_BRIEF_LOCKS] if len(parts) > 1 else ())]
            statements = [*first, *statements_of(parts)]
            try:
                results = await _commit_at_once(connection, statements, before_commit)
            except Exception as error:
                self._metrics.failed(error)
                if connection.broken or (isinstance(error, psycopg.Error) and connection_is_lost(error)):
                    raise in_doubt() from error
                refused = owner_at(parts, len(first), connection.failed_at)
                if connection.info.transaction_status != TransactionStatus.IDLE:
                    with contextlib.suppress(psycopg.OperationalError):
                        await connection.exchange([_ROLLBACK])
                raise NothingCommitted(refused) from error
        return rows_of_parts(parts, results[len(first) :])

    async def _read(self, scope: Scope, query: str, params: Params) -> list[Row]:
        async with Borrowed(self._pool, self._metrics) as connection:
            # One exchange is one transaction, so the setting ends with the query.
            asked = revisions.asked_for(scope.uid)
            first = [*connection.opening, scope.statement()]
            results = await connection.exchange([*first, *asked, (query, params)])
            revisions.answered(results[len(first) : -1])
            return results[-1].rows

    async def _repeated(self, attempt: Callable[[], Awaitable[T]]) -> T:
        lost = 0
        for tries_left in reversed(range(TRIES)):
            try:
                return await attempt()
            except psycopg.Error as error:
                self._metrics.failed(error)
                lost += connection_is_lost(error)
                again = isinstance(error, REPEATABLE) or (connection_is_lost(error) and lost == 1)
                if isinstance(error, REFUSES_WRITES):
                    self._refused_at = time.monotonic()
                if not again or not tries_left:
                    _raise_translated(error)
                self._metrics.again()
                if connection_is_lost(error):
                    await self._pool.check()  # after a restart of the server every idle connection is dead
                else:
                    await asyncio.sleep(random.uniform(0, 0.02 * (TRIES - tries_left)))
        raise AssertionError("unreachable: the last try returns or raises")


async def _commit_at_once(
    connection: ExchangeConnection,
    statements: Sequence[Statement],
    before_commit: Callable[[], Awaitable[None]],
) -> list[Result]:
    """The results of `statements`, committed. With a failpoint set COMMIT goes out after it."""
    if failpoints.armed():
        results = await connection.exchange(statements)
        await before_commit()
        _must_have_committed(await connection.exchange([_COMMIT]))
        return results
    results = await connection.exchange([*statements, _COMMIT])
    _must_have_committed(results)
    return results[:-1]


def _raise_translated(error: psycopg.Error) -> NoReturn:
    known = translated(error)
    if known is error:
        raise error
    raise known from error
