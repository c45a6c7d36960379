"""Writes the mapping from old references to new files, as CSV and as SQL."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from strongroom.client.local_files import replacing_text
from strongroom.migrate.journal import CLEARED, DONE, FAILED, Journal, Record, Stored
from strongroom.migrate.plans import Plan
from strongroom.migrate.problems import PlanProblem
from strongroom.migrate.quoting import identifier, literal, table_name

COLUMNS: Final = (
    "reference", "owner", "family", "id", "key", "url", "size", "crc32c", "sha256", "version",
)  # fmt: skip
#: Values to which an UPDATE may set a column.
VALUES: Final = ("id", "key", "url")
_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Update:
    """``UPDATE table SET column = value … WHERE match = reference``.

    ``sets``: pairs of a column and one of ``VALUES``.
    """

    table: str
    match: str
    sets: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, table: str, match: str, sets: Iterable[str]) -> Update:
        """Make it from texts of the form ``COLUMN=VALUE``.

        :raises PlanProblem: a text has another form.
        """
        pairs = [text.partition("=")[::2] for text in sets]
        for column, value in pairs:
            if not column or value not in VALUES:
                raise PlanProblem(f"--set is COLUMN={' or COLUMN='.join(VALUES)}, such as --set s3_key=key")
        return cls(table, match, pairs)


def url_of(record: Record, stored: Stored, base: str) -> str:
    """Return the permanent URL of the file at the gateway, which requires a token."""
    match record.family:
        case "generation":
            return f"{base}/api/generations/{stored.file_id}/content"
        case "event_media":
            event = stored.key.split("/")[1]
            return f"{base}/api/v1/events/{event}/media/{stored.file_id}/download"
        case "profile_picture":
            return f"{base}/api/v1/users/me/profile-picture"
        case "project":
            return f"{base}/api/projects/{quote(stored.key)}"
    return f"{base}/api/v1/s3/file/{quote(stored.key)}"


def moved(journal: Journal) -> Iterator[tuple[Record, Stored]]:
    """Yield everything that is stored, ordered by reference."""
    for state in (DONE, CLEARED):
        for record in journal.records(state):
            if record.stored is not None:
                yield record, record.stored


def write_csv(journal: Journal, path: Path, base: str) -> int:
    """Write the mapping as CSV, atomically. Return the number of rows."""

    def rows() -> Iterator[Sequence[object]]:
        yield COLUMNS
        for record, stored in moved(journal):
            yield (
                record.reference, record.owner, record.family, stored.file_id, stored.key,
                url_of(record, stored, base), stored.size, f"{stored.crc32c:08x}", stored.sha256.hex(),
                stored.version or "",
            )  # fmt: skip

    return _write(path, map(_line, rows())) - 1


def write_failed(journal: Journal, path: Path) -> int:
    """Write the entries that failed as CSV. Return their number; the file is removed if there are none."""
    if not journal.counts().get(FAILED):
        path.unlink(missing_ok=True)
        return 0
    rows = [(one.reference, one.owner, one.family, one.code, one.message) for one in journal.records(FAILED)]
    head = ("reference", "owner", "family", "code", "why")
    return _write(path, map(_line, [head, *rows])) - 1


def write_report(plan: Plan, journal: Journal, path: Path) -> int:
    """Write the proof of every entry that was to be moved as CSV. Return the number of rows."""

    def rows() -> Iterator[Sequence[object]]:
        yield "reference", "owner", "family", "id", "key", "result"
        for entry in plan:
            record = journal.record(entry.identity(plan.header.plan_id))
            stored = record.stored if record else None
            result = (record.proof or record.state) if record and stored else "not moved"
            if record and record.state == CLEARED:
                result = "ok, cleared"
            there = (stored.file_id, stored.key) if stored else ("", "")
            yield entry.reference, entry.owner, entry.family, *there, result

    return _write(path, map(_line, rows())) - 1


def write_sql(journal: Journal, path: Path, base: str, update: Update | None) -> int:
    """Write the mapping as a transaction for Postgres. Return the number of rows.

    It fills a temporary table and contains the UPDATE, or a template of one in a comment if ``update`` is
    None.
    """
    count = sum(1 for _ in moved(journal))
    _write(path, _sql(journal, base, update))
    return count


def _sql(journal: Journal, base: str, update: Update | None) -> Iterator[str]:
    yield (
        "-- What each old reference has become. For Postgres: psql -v ON_ERROR_STOP=1 -f this file.\n"
        "BEGIN;\n"
        "SET LOCAL standard_conforming_strings = on;\n"
        "CREATE TEMPORARY TABLE strongroom_moved (\n"
        "  reference text NOT NULL, owner text NOT NULL, id uuid NOT NULL,\n"
        "  key text NOT NULL, url text NOT NULL\n"
        ") ON COMMIT DROP;\n"
    )
    rows: list[str] = []
    for record, stored in moved(journal):
        values = (record.reference, record.owner, stored.file_id, stored.key, url_of(record, stored, base))
        rows.append(f"({', '.join(map(literal, values))})")
        if len(rows) == _ROWS:
            yield _insert(rows)
            rows = []
    if rows:
        yield _insert(rows)
    yield _updated(update)
    yield "COMMIT;\n"


def _insert(rows: Sequence[str]) -> str:
    return "INSERT INTO strongroom_moved (reference, owner, id, key, url) VALUES\n" + ",\n".join(rows) + ";\n"


def _updated(update: Update | None) -> str:
    if update is None:
        return (
            "-- Name your own table, its column with the old reference, and where the new ones go:\n"
            "-- UPDATE your_table AS old SET new_key = moved.key, new_url = moved.url\n"
            "--   FROM strongroom_moved AS moved WHERE old.your_reference::text = moved.reference;\n"
        )
    sets = ", ".join(f"{identifier(column)} = moved.{value}" for column, value in update.sets)
    return (
        f"UPDATE {table_name(update.table)} AS old SET {sets}\n"
        f"  FROM strongroom_moved AS moved WHERE old.{identifier(update.match)}::text = moved.reference;\n"
    )


def _line(row: Iterable[object]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(row)
    return buffer.getvalue()


def _write(path: Path, lines: Iterable[str]) -> int:
    """Write the lines atomically. Return their number."""
    count = 0
    with replacing_text(path) as file:
        for line in lines:
            file.write(line)
            count += 1
    return count
