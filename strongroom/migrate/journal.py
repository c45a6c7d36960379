"""The journal of a run, in one SQLite file beside the plan: what was begun, what is stored, what was proved.

A commit is on disk before it is confirmed, so the process or the machine may crash at any moment. SQLite's
lock admits one process at a time, and is released when the process ends.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from strongroom.migrate.entries import Entry
from strongroom.migrate.plans import Header
from strongroom.migrate.problems import PlanProblem

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS plan (plan_id TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
  id TEXT PRIMARY KEY, reference TEXT NOT NULL, owner TEXT NOT NULL, family TEXT NOT NULL,
  state TEXT NOT NULL, begun REAL NOT NULL, file_id TEXT NOT NULL DEFAULT '', key TEXT NOT NULL DEFAULT '',
  size INTEGER, crc32c INTEGER, sha256 BLOB, version INTEGER, code TEXT NOT NULL DEFAULT '',
  message TEXT NOT NULL DEFAULT '', proof TEXT NOT NULL DEFAULT '', proved REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verifying (deep INTEGER NOT NULL);
"""
BEGUN, DONE, FAILED, CLEARED = "begun", "done", "failed", "cleared"
_FIELDS: Final = (
    "id, reference, owner, family, state, begun, file_id, key, size, crc32c, sha256, version, code, message,"
    " proof"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """The result of moving an entry.

    ``crc32c`` and ``sha256``: of the bytes that were read. ``version``: of a project, whose ``sha256`` is
    that of its list of files.
    """

    file_id: str
    key: str
    size: int
    crc32c: int
    sha256: bytes
    version: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """One row. ``begun``: seconds since 1970.

    ``proof``: ``ok`` after verify has found both sides equal, else the difference; empty if they were not
    compared.
    """

    id: str
    reference: str
    owner: str
    family: str
    state: str
    begun: float
    stored: Stored | None
    code: str
    message: str
    proof: str


class Journal:
    """The rows of one plan. Its methods block.

    :raises PlanProblem: another process runs this plan, or the file belongs to another plan.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self.is_new = not path.exists()
        #: An abandoned thread may still be in a transaction.
        self._writing = threading.Lock()
        try:
            self._database = sqlite3.connect(path, timeout=0.2, isolation_level=None, check_same_thread=False)
        except sqlite3.OperationalError as error:
            raise PlanProblem(f"{path} can't be written: {error}") from None
        try:
            self._open(header)
        except sqlite3.OperationalError as error:
            self._database.close()
            if "locked" in str(error):
                raise PlanProblem(f"another process works on {path}; wait for it, or stop it") from None
            raise PlanProblem(f"{path} can't be written: {error}") from None
        except sqlite3.DatabaseError:
            self._database.close()
            raise PlanProblem(f"{path} is not the journal of a run, or is damaged") from None

    @classmethod
    def of(cls, plan_path: Path, header: Header) -> Self:
        """Open the journal beside a plan."""
        return cls(plan_path.with_name(f"{plan_path.name}.journal"), header)

    def _open(self, header: Header) -> None:
        run = self._database.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("BEGIN EXCLUSIVE")
        for statement in _SCHEMA.split(";"):
            run(statement)
        known = run("SELECT plan_id, created FROM plan").fetchone()
        if known is None:
            run("INSERT INTO plan VALUES (?, ?)", (header.plan_id, time.time()))
        run("COMMIT")
        if known is not None and known[0] != header.plan_id:
            self._database.close()
            raise PlanProblem(
                f"{self.path} is of another plan; move it away, or run the plan that it belongs to"
            )

    def state_of(self, entry_id: str) -> tuple[str, float] | None:
        """Return an entry's state and the time at which it was begun; None if it never was."""
        found = self._database.execute(
            "SELECT state, begun FROM entries WHERE id = ?", (entry_id,)
        ).fetchone()
        return None if found is None else (found[0], found[1])

    def begun_first(self, default: float) -> float:
        """Return the earliest begin of the entries that are not done."""
        found = self._database.execute(f"SELECT min(begun) FROM entries WHERE state <> '{DONE}'").fetchone()
        return default if found[0] is None else float(found[0])

    def begin(self, entries: Iterable[tuple[str, Entry]]) -> None:
        """Record that entries are about to be sent, before the first request.

        Entries begun before keep their time, because that is when their idempotency key was first used.
        """
        now = time.time()
        rows = [(key, one.reference, one.owner, one.family, BEGUN, now) for key, one in entries]
        statement = (
            "INSERT INTO entries (id, reference, owner, family, state, begun) VALUES (?, ?, ?, ?, ?, ?)"
            f" ON CONFLICT (id) DO UPDATE SET state = '{BEGUN}', code = '', message = ''"
            f" WHERE state NOT IN ('{DONE}', '{CLEARED}')"
        )
        self._all(statement, rows)

    def done(self, found: Iterable[tuple[str, Stored]]) -> None:
        """Record what was stored."""
        rows = [
            (one.file_id, one.key, one.size, one.crc32c, one.sha256, one.version, key) for key, one in found
        ]
        statement = (
            f"UPDATE entries SET state = '{DONE}', file_id = ?, key = ?, size = ?, crc32c = ?, sha256 = ?,"
            " version = ?, code = '', message = '' WHERE id = ?"
        )
        self._all(statement, rows)

    def failed(self, found: Iterable[tuple[str, str, str]]) -> None:
        """Record id, code and message of entries that could not be stored."""
        rows = [(code, message, key) for key, code, message in found]
        self._all(f"UPDATE entries SET state = '{FAILED}', code = ?, message = ? WHERE id = ?", rows)

    def proved(self, found: Iterable[tuple[str, str]]) -> None:
        """Record the results of comparisons, by id."""
        now = time.time()
        self._all(
            "UPDATE entries SET proof = ?, proved = ? WHERE id = ?",
            [(proof, now, key) for key, proof in found],
        )

    def verify(self, *, deep: bool, anew: bool) -> None:
        """Begin a verification, without proofs.

        If an earlier one, at least as deep, was interrupted, its proofs are kept and it continues. ``anew``:
        never keep them.
        """
        with self._writing, self._transaction():
            under_way = self._database.execute("SELECT deep FROM verifying").fetchone()
            if under_way is None or anew or (deep and not under_way[0]):
                self._database.execute(
                    f"UPDATE entries SET proof = '', proved = NULL WHERE proof <> '' AND state <> '{CLEARED}'"
                )
            self._database.execute("DELETE FROM verifying")
            self._database.execute("INSERT INTO verifying VALUES (?)", (deep,))

    def verified(self) -> None:
        """Record the end of the verification, so that the next one begins anew."""
        with self._writing, self._transaction():
            self._database.execute("DELETE FROM verifying")

    def cleared(self, ids: Iterable[str]) -> None:
        """Record that the sources of these entries were deleted."""
        self._all(f"UPDATE entries SET state = '{CLEARED}' WHERE id = ?", [(key,) for key in ids])

    def record(self, entry_id: str) -> Record | None:
        """Return one row, or None."""
        found = self._database.execute(f"SELECT {_FIELDS} FROM entries WHERE id = ?", (entry_id,)).fetchone()
        return None if found is None else _record(found)

    def records(self, state: str = "") -> Iterator[Record]:
        """Yield all rows, or those of one state, ordered by reference."""
        where = "WHERE state = ?" if state else ""
        cursor = self._database.cursor()
        cursor.execute(
            f"SELECT {_FIELDS} FROM entries {where} ORDER BY reference, id", (state,) if state else ()
        )
        for row in cursor:
            yield _record(row)

    def counts(self) -> dict[str, int]:
        """Return the number of entries by state."""
        return dict(self._database.execute("SELECT state, count(*) FROM entries GROUP BY state").fetchall())

    def close(self) -> None:
        """Close the file, so that another process can open it. May be called again."""
        self._database.close()

    def _all(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if not rows:
            return
        with self._writing, self._transaction():
            self._database.executemany(statement, rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _record(row: tuple[Any, ...]) -> Record:
    key, reference, owner, family, state, begun, *rest = row
    file_id, place, size, crc, sha, version, code, message, proof = rest
    is_stored = state in {DONE, CLEARED}
    stored = Stored(file_id, place, size, crc, bytes(sha), version or 0) if is_stored else None
    return Record(key, reference, owner, family, state, begun, stored, code, message, proof)
