"""Fills tables like those of an installation after some years, by SQL, as superuser.

Rows are copies of real ones (a plain file, a generation and a resumable upload, made by the use cases), with
other names, owners and times, so they have whatever columns the tables have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

#: Owns every second row; a thousand other owners share the rest.
WHALE: Final = "whale"
#: Blobs waiting for the cleaner, files to be read and contents to be scanned: always this number, whatever
#: the size of the tables.
DUE: Final = 4000
#: Expired events and answers, with numbers below 1.
PAST: Final = 100_000
#: 1 GiB of work memory sorts an index of ten million rows at once.
_SILENT: Final = (
    "SET session_replication_role = replica; SET maintenance_work_mem = '1GB'; SET app.scope = 'system'"
)

_OWNER: Final = f"CASE WHEN n % 2 = 0 THEN '{WHALE}' ELSE 'user' || n % 1000 END"
_BLOB: Final = "md5('blob' || n)::uuid"
_FILE: Final = "md5('file' || n)::uuid"
_KEY: Final = f"'uploads/' || {_OWNER} || '/' || {_FILE} || '.txt'"
_MADE: Final = "now() - interval '1 h' - n * interval '10 s'"
_SHARE: Final = "(n / current_setting('scale.rows')::float)"
#: Every fifth row, of both kinds of owner.
_GENERATION: Final = "n % 5 = 0"


class Copies(NamedTuple):
    """``of``: the row to copy; ``numbers``: the numbers that get a copy; ``changed``: columns with other
    values.
    """

    of: str
    numbers: str
    changed: Mapping[str, str]


TABLES: Final[dict[str, Copies]] = {
    "blobs": Copies(
        "state = 3 AND content_type = 'text/plain'",
        "n > 0",
        {
            "owner_id": _OWNER, "id": _BLOB, "file_id": _FILE, "key": _KEY, "created_at": _MADE,
            "state_changed_at": _MADE, "scrub_after": "now() + n * interval '1 s'",
            "state": f"CASE WHEN n <= {DUE} THEN 4 ELSE 3 END",
            "not_before": f"CASE WHEN n <= {DUE} THEN now() - n * interval '1 s' END",
        },
    ),
    "files": Copies(
        "family = 1",
        f"n > {DUE}",
        {
            "owner_id": _OWNER, "id": _FILE, "blob_id": _BLOB, "key": _KEY,
            "created_at": _MADE, "updated_at": _MADE,
            "family": f"CASE WHEN {_GENERATION} THEN 2 ELSE 1 END", "filename": "'file ' || n || '.txt'",
            "content_type": f"CASE WHEN n <= {2 * DUE} THEN 'image/png' ELSE 'text/plain' END",
        },
    ),
    "generations": Copies(
        "true",
        f"n > {DUE} AND {_GENERATION}",
        {"owner_id": _OWNER, "file_id": _FILE, "created_at": _MADE, "prompt": "'a red fox ' || n"},
    ),
    "idempotency_keys": Copies(
        "true",
        "true",
        {
            "owner_id": _OWNER, "request_id": "'request-' || n", "blob_id": _BLOB,
            "expires_at": "now() + CASE WHEN n < 1 THEN n * interval '1 s'"
            f" ELSE {_SHARE} * interval '1 day' END",
        },
    ),
    "events": Copies(
        "true",
        "true",
        {
            "owner_id": _OWNER, "subject_id": f"{_FILE}::text",
            "created_at": "now() - CASE WHEN n < 1 THEN interval '8 days' - n * interval '1 s'"
            f" ELSE {_SHARE} * interval '6 days' END",
        },
    ),
    "scans": Copies("true", "n > 0", {"owner_id": _OWNER, "blob_id": _BLOB}),
    "upload_sessions": Copies(
        "true",
        "n > 0 AND n % 10 = 0",
        {
            "owner_id": _OWNER, "upload_id": "'upload-' || n", "blob_id": _BLOB, "created_at": _MADE,
            "swept_at": _MADE, "forget_at": "now() + n * interval '10 s'",
            "expires_at": "now() + interval '1 day'",
        },
    ),
}  # fmt: skip

_COLUMNS: Final = """
SELECT attname FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
ORDER BY attnum
"""


#: All contents were scanned, with signatures of which there are newer ones.
_SCANNED: Final = """
INSERT INTO scans (owner_id, blob_id, outcome, scanned_at, database)
SELECT owner_id, id, 2, now(), 'ClamAV 1.4.6/1' FROM blobs WHERE state = 3 LIMIT 1
"""


def file_id(number: int) -> str:
    """The id of this row's file."""
    return str(UUID(hashlib.md5(f"file{number}".encode(), usedforsecurity=False).hexdigest()))


def key(number: int) -> str:
    """The key of this row, owned by WHALE."""
    return f"uploads/{WHALE}/{file_id(number)}.txt"


def fill(dsn: str, count: int, past: int = PAST) -> None:
    """Make ``count`` numbers' rows in each of TABLES, and ``past`` below 1. ``dsn``: the superuser's."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_SILENT)
        connection.execute("SELECT set_config('scale.rows', %s, false)", (str(count),))
        connection.execute(_SCANNED)
        for table, copies in TABLES.items():
            _copy(connection, table, copies, (1 - past, count))
        connection.execute("VACUUM ANALYZE")


def _copy(connection: psycopg.Connection, table: str, copies: Copies, numbers: tuple[int, int]) -> None:
    columns = [name for (name,) in connection.execute(_COLUMNS, (table,))]
    ready = sql.SQL("UPDATE pg_index SET indisready = {} WHERE indrelid = {}::regclass")
    # An index created afterwards is sorted once, instead of one page at a time.
    connection.execute(ready.format(sql.Literal(False), sql.Literal(table)))
    connection.execute(
        sql.SQL(
            "INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series({numbers}) AS n, "
            "(SELECT * FROM {table} WHERE {copied} LIMIT 1) AS one WHERE {which}"
        ).format(
            table=sql.Identifier(table),
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            values=sql.SQL(", ").join(
                sql.SQL(copies.changed[name]) if name in copies.changed else sql.Identifier("one", name)
                for name in columns
            ),
            numbers=sql.SQL(", ").join(map(sql.Literal, numbers)),
            copied=sql.SQL(copies.of),
            which=sql.SQL(copies.numbers),
        )
    )
    connection.execute(ready.format(sql.Literal(True), sql.Literal(table)))
    connection.execute(sql.SQL("REINDEX TABLE {}").format(sql.Identifier(table)))
