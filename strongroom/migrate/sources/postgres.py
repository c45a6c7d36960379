"""Rows of a Postgres table or query, with their bytes in a ``bytea`` column."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from strongroom.migrate.entries import Entry
from strongroom.migrate.extras import demand
from strongroom.migrate.problems import PlanProblem, SourceChanged, SourceFailed, SourceGone
from strongroom.migrate.quoting import identifier, table_name
from strongroom.migrate.sources.source import Found, Source

#: Bytes of a value that are fetched at once. Values of up to this size are fetched as a whole.
PIECE_BYTES: Final = 4 << 20
#: Rows that are fetched at once while planning.
_ROWS: Final = 2000
_SECRETS: Final = ("password", "sslpassword", "passfile")
#: Columns that may describe an entry, in addition to its identifier.
_GIVEN: Final = ("owner", "family", "key", "name", "type")


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns; empty if there is none.

    ``stamp``: one that changes when the row changes, such as ``updated_at``. ``details``: by the name of a
    detail, such as ``prompt``.
    """

    reference: str
    bytes: str
    owner: str = ""
    family: str = ""
    key: str = ""
    name: str = ""
    type: str = ""
    stamp: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


class Postgres(Source):
    """Either a ``table`` or a ``query``. ``deletes_rows``: ``remove`` deletes rows instead of emptying the
    column.

    :raises PlanProblem: psycopg is not installed, or the database can't be reached.
    """

    def __init__(
        self, dsn: str, columns: Columns, *, table: str = "", query: str = "", deletes_rows: bool = False
    ) -> None:
        if bool(table) == bool(query):
            raise PlanProblem("a Postgres source is a --table or a --query: say one of them")
        self._psycopg = demand("psycopg", "a Postgres source")
        self._dsn = dsn
        self._columns = columns
        self._table = table
        self._query = query.strip().rstrip(";")
        self._deletes_rows = deletes_rows
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        self._open: list[Any] = []
        with self._reading():
            """The database can be reached."""

    def described(self) -> dict[str, Any]:
        """Return how to reach it, without the password."""
        known = self._psycopg.conninfo.conninfo_to_dict(self._dsn)
        shown = {name: value for name, value in known.items() if name not in _SECRETS}
        return {
            "kind": "postgres",
            "dsn": self._psycopg.conninfo.make_conninfo(**shown),
            "table": self._table,
            "query": self._query,
            "columns": asdict(self._columns),
        }

    def find(self) -> Iterator[Found]:
        """Yield the rows, through a server-side cursor."""
        with self._reading() as connection, connection.cursor(name="strongroom_plan") as cursor:
            cursor.itersize = _ROWS
            cursor.execute(f"SELECT {', '.join(self._planned())} FROM {self._from()}")
            for row in cursor:
                yield self._found(row)

    def _planned(self) -> list[str]:
        named, columns = self._columns, [f"{identifier(self._columns.reference)}::text"]
        columns += [f"octet_length({identifier(named.bytes)})", self._stamp()]
        texts = [getattr(named, name) for name in _GIVEN] + list(named.details.values())
        return columns + [f"{identifier(name)}::text" if name else "NULL" for name in texts]

    def _found(self, row: Sequence[Any]) -> Found:
        reference, size, stamp, *texts = row
        given = {name: text for name, text in zip(_GIVEN, texts, strict=False) if text}
        details = dict(zip(self._columns.details, texts[len(_GIVEN) :], strict=True))
        path = given.get("name") or reference or ""
        if "name" in given:
            given["name"] = given["name"].rsplit("/", 1)[-1]
        why = ""
        if reference is None:
            why = f"its {self._columns.reference} is NULL: nothing names this row"
        elif size is None:
            why = f"its {self._columns.bytes} is NULL: it has no bytes"
        return Found(
            reference or "",
            path,
            size,
            _stamped(size, stamp),
            given,
            {name: text for name, text in details.items() if text is not None},
            why,
        )

    def read(self, entry: Entry) -> Iterator[bytes]:
        """Yield the value in pieces of 4 MiB, all from one snapshot."""
        value, reference = identifier(self._columns.bytes), identifier(self._columns.reference)
        where = f"FROM {self._from()} WHERE {reference} = %s"
        with self._reading() as connection, connection.cursor(binary=True) as cursor:
            cursor.execute(
                f"SELECT octet_length({value}), {self._stamp()} {where} LIMIT 2", (entry.reference,)
            )
            size = self._only(cursor.fetchall(), entry)
            for offset in range(0, size, PIECE_BYTES):
                cursor.execute(
                    f"SELECT substring({value} FROM %s FOR %s) {where}",
                    (offset + 1, PIECE_BYTES, entry.reference),
                )
                yield cursor.fetchone()[0]

    def _only(self, rows: Sequence[Sequence[Any]], entry: Entry) -> int:
        if not rows or rows[0][0] is None:
            raise SourceGone
        if len(rows) > 1:
            raise SourceFailed(
                f"several rows have {self._columns.reference} {entry.reference}; it has to name one"
            )
        size, stamp = rows[0]
        if entry.stamp and _stamped(size, stamp) != entry.stamp:
            raise SourceChanged
        return int(size)

    def remove(self, entry: Entry, sha256: bytes) -> None:
        """Empty the column or delete the row, in one statement that compares the bytes itself."""
        if not self._table:
            raise PlanProblem("a --query does not name the table of its rows; clear that table yourself")
        value, reference = identifier(self._columns.bytes), identifier(self._columns.reference)
        table, where = table_name(self._table), f"{reference} = %s AND sha256({value}) = %s"
        act = f"DELETE FROM {table}" if self._deletes_rows else f"UPDATE {table} SET {value} = NULL"
        with self._writing() as connection:
            try:
                changed = connection.execute(f"{act} WHERE {where}", (entry.reference, sha256)).rowcount
            except self._psycopg.errors.NotNullViolation:
                raise PlanProblem(
                    f"{self._columns.bytes} may not be NULL, so it can't be emptied; --rows delete deletes"
                    " whole rows"
                ) from None
            if changed:
                return
            there = connection.execute(
                f"SELECT {value} IS NOT NULL FROM {table} WHERE {reference} = %s", (entry.reference,)
            ).fetchone()
        raise SourceChanged if there and there[0] else SourceGone

    def _from(self) -> str:
        return table_name(self._table) if self._table else f"({self._query}) AS source"

    def _stamp(self) -> str:
        return f"{identifier(self._columns.stamp)}::text" if self._columns.stamp else "NULL"

    @contextmanager
    def _reading(self) -> Generator[Any]:
        """Yield a connection for one snapshot; it is reused afterwards."""
        with self._told():
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                connection = self._connected()
            try:
                with connection.transaction():
                    yield connection
            finally:
                if connection.closed:
                    self._open.remove(connection)
                else:
                    self._idle.put(connection)

    def _connected(self) -> Any:
        connection = self._psycopg.connect(self._dsn, autocommit=True, connect_timeout=15)
        connection.isolation_level = self._psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        self._open.append(connection)
        return connection

    @contextmanager
    def _writing(self) -> Generator[Any]:
        with (
            self._told(),
            self._psycopg.connect(self._dsn, autocommit=True, connect_timeout=15) as connection,
        ):
            yield connection

    @contextmanager
    def _told(self) -> Generator[None]:
        """Translate Postgres's errors into one line."""
        try:
            yield
        except self._psycopg.Error as error:
            said = str(error).strip().partition("\n")[0] or type(error).__name__
            raise SourceFailed(f"Postgres: {said}") from None

    def close(self) -> None:
        """Close all connections."""
        while self._open:
            with contextlib.suppress(self._psycopg.Error):
                self._open.pop().close()


def _stamped(size: int | None, stamp: str | None) -> str:
    return f"{size}" if stamp is None else f"{size} {stamp}"
