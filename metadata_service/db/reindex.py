"""`python -m metadata_service reindex`: rebuilds the indexes of Strongroom's tables one by one, without
blocking readers or writers (REINDEX CONCURRENTLY), and removes what an interrupted run has left.

It runs as the owner of the tables, as migrations do; other roles may not reindex (docs/decisions/0058).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import psycopg
from psycopg import sql

from metadata_service.config import MigrationSettings
from metadata_service.db.migrate import NO_TIME_LIMITS, MigrationFailed, take_turn
from metadata_service.db.migrations import TABLES
from metadata_service.db.setting_errors import one_line

_INDEXES: Final = """
SELECT index.relname, pg_relation_size(index.oid), detail.indisvalid
FROM pg_index AS detail
JOIN pg_class AS index ON index.oid = detail.indexrelid
JOIN pg_class AS tables ON tables.oid = detail.indrelid
WHERE tables.relnamespace = 'public'::regnamespace AND tables.relname = ANY(%(tables)s)
    AND (%(only)s::text[] = '{}' OR index.relname = ANY(%(only)s) OR tables.relname = ANY(%(only)s))
ORDER BY tables.relname, index.relname
"""
#: Seconds to wait for the previous run, because Postgres notices a closed connection with a delay.
_LEAVING_SECONDS: Final = 5.0
#: Suffixes of the indexes that Postgres is building, and that it has replaced.
_LEFT: Final = ("_ccnew", "_ccold")


def reindex(settings: MigrationSettings, only: Sequence[str] = ()) -> Iterator[str]:
    """Rebuild the indexes or tables named in `only`; all if it is empty. Yields one line for people after
    each.

    May be interrupted and repeated. Raises MigrationFailed.
    """
    try:
        with psycopg.connect(
            settings.owner_url, application_name="strongroom-reindex", connect_timeout=10, autocommit=True
        ) as connection:
            take_turn(connection, _LEAVING_SECONDS)
            connection.execute(NO_TIME_LIMITS)
            yield from _all(connection, only)
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationFailed(
            f"{one_line(error)}; STRONGROOM_MIGRATION_DATABASE_URL has to name the tables' owner"
        ) from error
    except psycopg.Error as error:
        raise MigrationFailed(f"the reindex failed: {one_line(error)}; run it again") from error


def _all(connection: psycopg.Connection, only: Sequence[str]) -> Iterator[str]:
    found = _indexes(connection, only)
    if only and not found:
        raise MigrationFailed(f"none of Strongroom's indexes or tables is called {', '.join(only)}")
    for name, _, is_valid in found:
        if not is_valid and name.rstrip("0123456789").endswith(_LEFT):
            connection.execute(sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier("public", name)))
            yield f"{name}  removed: an interrupted reindex has left it"
    for name, before, _ in _indexes(connection, only):
        connection.execute(sql.SQL("REINDEX INDEX CONCURRENTLY {}").format(sql.Identifier("public", name)))
        ((_, after, _),) = _indexes(connection, (name,))
        yield f"{name}  {before} -> {after} bytes"


def _indexes(connection: psycopg.Connection, only: Sequence[str]) -> list[tuple[str, int, bool]]:
    """Name, size in bytes, and whether the index is valid."""
    return connection.execute(_INDEXES, {"tables": list(TABLES), "only": list(only)}).fetchall()
