"""Transactions on a pool of psycopg connections, each bound to one user or to the system.

A transaction first sets `app.uid` (the user) or `app.scope` (`system`) for itself; row-level security hides
all other rows. Both are always set, so nothing remains of the connection's previous user. `BEGIN`, these
settings and the first statement travel together: a transaction of one statement takes two round trips, a read
one.

Work is passed as a function because a transaction may be run again: always after 40001 and 40P01; after a
lost connection unless COMMIT was sent, which leaves the outcome unknown (rule R4).
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
from metadata_service.db.refusals import Refusals
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
#: Seconds for a user's transaction with all its tries and the wait for a connection. The server's own limits
#: (statement_timeout) have no effect if the server is frozen or out of reach.
USER_SECONDS: Final = 5.0
#: The same for transactions that write thousands of rows.
LARGE_SECONDS: Final = 8.0
#: The same for the system's background work.
SYSTEM_SECONDS: Final = 20.0
_SPAN: Final[Mapping[str, Value]] = {"db.system.name": "postgresql"}
_BEGIN: Final[Statement] = ("BEGIN", ())
_COMMIT: Final[Statement] = ("COMMIT", ())
_ROLLBACK: Final[Statement] = ("ROLLBACK", ())
#: Lock timeout in a transaction of several owners, all of whom would wait.
_BRIEF_LOCKS: Final[Statement] = ("SELECT set_config('lock_timeout', '500ms', true)", ())


class NothingCommitted(Exception):
    """A transaction of several owners ended before its COMMIT; each may be tried alone. `owner_id`: whose
    statement failed, if one did. Never leaves the service.
    """

    def __init__(self, owner_id: str | None = None) -> None:
        super().__init__(owner_id)
        self.owner_id = owner_id


class Transaction:
    """One open transaction. Raises psycopg's errors, which `Database` translates."""

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
        """The first row of one statement; None if it has none."""
        rows = await self.fetch(query, params)
        return rows[0] if rows else None

    async def execute(self, query: str, params: Params = ()) -> int:
        """Run one statement. Returns how many rows it changed."""
        return (await self._send([(query, params)]))[0].count

    async def batch(self, statements: Sequence[Statement]) -> list[int]:
        """Run statements in one round trip. Returns how many rows each changed."""
        return [result.count for result in await self._send(statements)]

    async def fetch_batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run statements in one round trip. Returns the rows of each."""
        return [result.rows for result in await self._send(statements)]

    def with_commit(self, statements: Sequence[Statement]) -> None:
        """Send these last statements in the round trip of COMMIT. Their results are dropped; if one fails,
        nothing is committed.
        """
        self._last += statements

    def undo(self) -> None:
        """End this transaction with ROLLBACK. The result of its work is returned all the same."""
        self._undone = True

    async def commit(self) -> None:
        """Send COMMIT, or after `undo` ROLLBACK.

        Raises psycopg.InternalError if the server rolled back because the transaction had failed;
        DatabaseUnavailable if the connection was lost, so that the outcome is unknown.
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
        """Send ROLLBACK if the transaction has begun."""
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
    """The error if COMMIT was sent and not answered: its outcome is unknown (rule R4)."""
    return DatabaseUnavailable(
        "The database went away while the change was being committed; check whether it was applied.",
        retry_after=RETRY_AFTER_SECONDS,
    )


def _must_have_committed(results: Sequence[Result]) -> None:
    if results[-1].tag != "COMMIT":
        raise psycopg.InternalError("the server rolled back instead of committing")


class Database:
    """Runs transactions on a pool that `bootstrap` has opened. `committed` is called with the owner's id
    after each commit that has written events.
    """

    def __init__(
        self,
        pool: Pool,
        committed: Callable[[str], None] | None = None,
        metrics: DatabaseMetrics | None = None,
    ) -> None:
        self._pool = pool
        self._committed = committed
        self._refusals = Refusals()
        self._metrics = metrics or DatabaseMetrics()
        self._metrics.pool = pool.get_stats
        self._metrics.takes_writes = lambda: self.takes_writes
        self._standby: tuple[Standby, Database] | None = None

    def with_standby(self, standby: Standby, there: Database) -> None:
        """Let ``there`` answer lists, as far as ``standby`` allows."""
        self._standby = standby, there

    @property
    def takes_writes(self) -> bool:
        """Whether the server accepts writes. False for a while after it refused one: its disk is full, or it
        is a standby.
        """
        return self._refusals.over

    async def transact(
        self, scope: Scope, work: Callable[[Transaction], Awaitable[T]], *, seconds: float = USER_SECONDS
    ) -> T:
        """Run `work` in one transaction, commit it, and return its result. `work` may run more than once and
        must only touch the transaction. `seconds`: limit for all tries of a user's transaction.

        Raises what `work` raises (then nothing was changed), UniqueConflict, InvalidField (text that can't be
        stored), DatabaseUnavailable (the outcome is unknown if COMMIT was sent).
        """
        seconds = SYSTEM_SECONDS if scope == SYSTEM else seconds
        try:
            return await self._in_time("transaction", seconds, partial(self._attempt, scope, work))
        finally:
            self._wrote(scope.uid)  # whatever its outcome

    async def together(
        self, parts: Sequence[Part], before_commit: Callable[[], Awaitable[None]]
    ) -> list[list[list[Row]]]:
        """Run the parts in one transaction and one round trip, BEGIN and COMMIT included, each as its owner.
        Returns the rows of each statement of each part.

        All parts are committed or none; this is never repeated. `before_commit` runs between the statements
        and COMMIT if a failpoint is set. Raises NothingCommitted (a statement failed), DatabaseUnavailable
        (there was no connection, or COMMIT was sent and the outcome is unknown).
        """
        try:
            results = await self._in_time(
                "group", USER_SECONDS, partial(self._together, parts, before_commit)
            )
        finally:
            for part in parts:
                self._wrote(part.owner_id)
        self._refusals.wrote()
        for part in parts:
            if not part.silent and tells(part.statements):
                self.tell(part.owner_id)
        return results

    async def read(
        self, scope: Scope, query: str, params: Params = (), *, within: float | None = None
    ) -> list[Row]:
        """All rows of one query, in one round trip and a transaction of its own. `within`: seconds; by
        default the limit of `scope`. Raises DatabaseUnavailable, InvalidField.
        """
        seconds = within or (SYSTEM_SECONDS if scope == SYSTEM else USER_SECONDS)
        return await self._in_time("read", seconds, partial(self._read, scope, query, params))

    async def read_list(self, scope: Scope, query: str, params: Params = ()) -> list[Row]:
        """As ``read``, for lists: the result may be some seconds old, but contains all that the owner has
        written through this service.
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
        """Report new events of this owner to `committed`. An empty id is ignored."""
        if self._committed is not None and owner_id:
            self._committed(owner_id)

    async def _in_time(self, kind: Kind, seconds: float, attempt: Callable[[], Awaitable[T]]) -> T:
        """As `_repeated`, within `seconds`. A connection that still waits then is closed: a frozen server
        answers no ROLLBACK.
        """
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
                # If the connection is gone, the server rolls back.
                with contextlib.suppress(psycopg.OperationalError):
                    await transaction.rollback()
                raise
            self._refusals.wrote()
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
            # An exchange is a transaction, so the settings end with the query.
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
                    self._refusals.refused(error)
                if not again or not tries_left:
                    _raise_translated(error)
                self._metrics.again()
                if connection_is_lost(error):
                    await self._pool.check()  # after a restart of the server all idle connections are dead
                else:
                    await asyncio.sleep(random.uniform(0, 0.02 * (TRIES - tries_left)))
        raise AssertionError("unreachable: the last try returns or raises")


async def _commit_at_once(
    connection: ExchangeConnection,
    statements: Sequence[Statement],
    before_commit: Callable[[], Awaitable[None]],
) -> list[Result]:
    """Run the statements and COMMIT in one exchange, or in two around a failpoint. Returns the statements'
    results.
    """
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
