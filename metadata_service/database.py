"""Transactions: a pool of psycopg connections, each transaction bound to one user or to the system.

A transaction begins by setting `app.uid` (the user) or `app.scope` (`system`) for itself only; row-level
security
shows it nothing else. Both are set each time, so nothing is left of whoever used the connection before.

`BEGIN`, the setting and the first statement travel together, so a transaction of one statement costs two
round
trips, and a read one. Work is given as a function because a transaction may have to be run again: after 40001
and
40P01 always, after a lost connection unless COMMIT was on its way (then nobody knows, rule R4).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncCursor
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool

from metadata_service.driver_errors import REPEATABLE, RETRY_AFTER_SECONDS, connection_is_lost, translated
from strongroom.errors import DatabaseUnavailable

Row: TypeAlias = tuple[Any, ...]
Params: TypeAlias = Mapping[str, object] | Sequence[object]
Statement: TypeAlias = tuple[str, Params]
Pool: TypeAlias = AsyncConnectionPool[AsyncConnection[Row]]
T = TypeVar("T")

TRIES: Final = 6
_SET_SCOPE: Final = "SELECT set_config('app.uid', %s, true), set_config('app.scope', %s, true)"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows a transaction sees: one user's (`uid`), or everybody's (`scope` is `system`)."""

    uid: str
    scope: str = ""


SYSTEM: Final = Scope("", "system")


def user(owner_id: str) -> Scope:
    """The rows of one owner. Raises ValueError without one: an empty id would mean nobody."""
    if not owner_id:
        raise ValueError("a transaction needs an owner")
    return Scope(owner_id)


class Transaction:
    """One open transaction. Errors come out as psycopg's; `Database` translates them."""

    def __init__(self, connection: AsyncConnection[Row], scope: Scope) -> None:
        self._connection = connection
        self._scope = scope
        self._begun = False

    async def fetch(self, query: str, params: Params = ()) -> list[Row]:
        """All rows of one statement."""
        (cursor,) = await self._send([(query, params)])
        return await cursor.fetchall()

    async def fetch_one(self, query: str, params: Params = ()) -> Row | None:
        """The first row of one statement."""
        (cursor,) = await self._send([(query, params)])
        return await cursor.fetchone()

    async def execute(self, query: str, params: Params = ()) -> int:
        """How many rows one statement changed."""
        (cursor,) = await self._send([(query, params)])
        return cursor.rowcount

    async def batch(self, statements: Sequence[Statement]) -> list[int]:
        """How many rows each statement changed; all go out in one round trip."""
        return [cursor.rowcount for cursor in await self._send(statements)]

    async def fetch_batch(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """All rows of each statement; all go out in one round trip."""
        return [await cursor.fetchall() for cursor in await self._send(statements)]

    async def commit(self) -> None:
        """COMMIT. A server that answers ROLLBACK (the transaction had failed) is an error here."""
        if not self._begun:
            return
        cursor = await self._connection.execute("COMMIT")
        if cursor.statusmessage != "COMMIT":
            raise psycopg.InternalError("the server rolled back instead of committing")

    async def rollback(self) -> None:
        """ROLLBACK, if anything was begun."""
        if self._connection.info.transaction_status not in {
            TransactionStatus.IDLE,
            TransactionStatus.UNKNOWN,
        }:
            await self._connection.execute("ROLLBACK")

    async def _send(self, statements: Sequence[Statement]) -> list[AsyncCursor[Row]]:
        cursors = [self._connection.cursor(binary=True) for _ in statements]
        if self._begun and len(statements) == 1:
            await cursors[0].execute(*statements[0])
            return cursors
        async with self._connection.pipeline():
            if not self._begun:
                await self._connection.execute("BEGIN")
                await self._connection.execute(_SET_SCOPE, (self._scope.uid, self._scope.scope))
            for cursor, (query, params) in zip(cursors, statements, strict=True):
                await cursor.execute(query, params)
        self._begun = True
        return cursors


class Database:
    """Runs transactions on a pool that `bootstrap` opened."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def transact(self, scope: Scope, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in one transaction and commit it. `work` may run more than once and must only touch the
        transaction.

        Raises what `work` raises (then nothing happened), UniqueConflict, InvalidField (text that can't be
        stored),
        DatabaseUnavailable (when COMMIT was on its way the outcome is unknown).
        """
        return await self._repeated(lambda: self._attempt(scope, work))

    async def read(self, scope: Scope, query: str, params: Params = ()) -> list[Row]:
        """All rows of one query, in one round trip and a transaction of its own. Raises DatabaseUnavailable,
        InvalidField.
        """
        return await self._repeated(lambda: self._read(scope, query, params))

    async def _attempt(self, scope: Scope, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async with _Borrowed(self._pool) as connection:
            transaction = Transaction(connection, scope)
            try:
                result = await work(transaction)
            except Exception:
                with contextlib.suppress(
                    psycopg.OperationalError
                ):  # without a connection the server undoes it
                    await transaction.rollback()
                raise
            try:
                await transaction.commit()
            except psycopg.OperationalError as error:
                if isinstance(error, REPEATABLE):
                    raise
                raise DatabaseUnavailable(
                    "The database went away while the change was being committed; ask again whether it was.",
                    retry_after=RETRY_AFTER_SECONDS,
                ) from error
            return result

    async def _read(self, scope: Scope, query: str, params: Params) -> list[Row]:
        async with _Borrowed(self._pool) as connection:
            # Statements up to one Sync form one transaction ("Pipeline Mode"), so the setting ends with the
            # query.
            cursor = connection.cursor(binary=True)
            async with connection.pipeline():
                await connection.execute(_SET_SCOPE, (scope.uid, scope.scope))
                await cursor.execute(query, params)
            return await cursor.fetchall()

    async def _repeated(self, attempt: Callable[[], Awaitable[T]]) -> T:
        lost = 0
        for tries_left in reversed(range(TRIES)):
            try:
                return await attempt()
            except psycopg.Error as error:
                lost += connection_is_lost(error)
                again = isinstance(error, REPEATABLE) or (connection_is_lost(error) and lost == 1)
                if not again or not tries_left:
                    _raise_translated(error)
                if connection_is_lost(error):
                    await self._pool.check()  # after a restart of the server every idle connection is dead
                else:
                    await asyncio.sleep(random.uniform(0, 0.02 * (TRIES - tries_left)))
        raise AssertionError("unreachable: the last try returns or raises")


def _raise_translated(error: psycopg.Error) -> NoReturn:
    known = translated(error)
    if known is error:
        raise error
    raise known from error


class _Borrowed:
    """A connection of the pool; one that is not idle at the end (cancelled, broken) is closed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> AsyncConnection[Row]:
        self._connection = await self._pool.getconn()
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        if self._connection.info.transaction_status != TransactionStatus.IDLE:
            await self._connection.close()
        await self._pool.putconn(self._connection)
