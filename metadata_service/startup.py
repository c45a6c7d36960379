"""Checks the database before the service accepts a call."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from metadata_service.config import PoolOptions
from metadata_service.db.database import SYSTEM, Database, Pool, Row
from metadata_service.db.migrations import REVISIONS, TABLES
from metadata_service.db.setting_errors import one_line, refusal, require_release
from metadata_service.events.wakeups import APPLICATION
from servicekit.settings import SettingError
from strongroom.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

_ROLE: Final = """
SELECT current_user, rolsuper, rolbypassrls, EXISTS (
    SELECT 1 FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s) AND pg_has_role(relowner, 'USAGE')
)
FROM pg_roles WHERE rolname = current_user
"""
_UNPROTECTED: Final = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s)
    AND NOT (relrowsecurity AND relforcerowsecurity)
ORDER BY relname
"""
_REVISION: Final = "SELECT version_num FROM alembic_version"
OPEN_SECONDS: Final = 30.0
REACH_SECONDS: Final = 2.0
#: Connections beside the pool: LISTEN, and the notifier.
BESIDE_THE_POOL: Final = 2
#: Connections reserved for superusers and reserved roles don't count; a limit of -1 means none. Other
#: replicas are recognized by their listeners.
_ROOM: Final = """
SELECT least(
    (SELECT sum(CASE name WHEN 'max_connections' THEN setting::int ELSE -setting::int END)::int
     FROM pg_settings
     WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())),
    (SELECT count(*) FROM pg_stat_activity
     WHERE usename = current_user AND datname = current_database() AND application_name = %s)
"""


class NotReady(Exception):
    """The service can't start on this database. `str()` is one line that says what to do."""


async def open_pool(pool: Pool, url: str, direct_url: str | None = None) -> None:
    """Open the pool when the database accepts connections; also checks ``direct_url``, if given.

    Raises SettingError if it never will, NotReady if nobody answers.
    """
    await reach(url, "STRONGROOM_DATABASE_URL")
    if direct_url is not None:
        await reach(direct_url, "STRONGROOM_DATABASE_DIRECT_URL")
    try:
        await pool.open(wait=True, timeout=OPEN_SECONDS)
    except PoolTimeout as error:
        await pool.close()
        raise NotReady(
            f"the database of STRONGROOM_DATABASE_URL gave no {pool.min_size} connections within"
            f" {OPEN_SECONDS:.0f} s; the log above says why"
        ) from error


async def reach(url: str, setting: str, seconds: float = OPEN_SECONDS) -> None:
    """Wait until this database accepts a connection, for ``seconds`` at most. Raises SettingError,
    NotReady.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=5)
        except psycopg.Error as error:
            if (refused := refusal(error, setting)) is not None:
                raise refused from None
            said = one_line(error)
            if time.monotonic() >= deadline:
                raise NotReady(
                    f"{setting}: no database accepts the connection within {seconds:.0f} s: {said};"
                    " start it, or correct the address"
                ) from None
            log.warning("database_away", setting=setting, error=said)
            await asyncio.sleep(REACH_SECONDS)
        else:
            async with connection:
                require_release(connection.info.server_version, setting)
            return


async def check(database: Database, options: PoolOptions | None = None) -> None:
    """Check role, row-level security and revision; also whether the server has room for pools of ``options``.

    Raises SettingError, NotReady.
    """
    try:
        _check_role((await database.read(SYSTEM, _ROLE, (list(TABLES),)))[0])
        unprotected = [row[0] for row in await database.read(SYSTEM, _UNPROTECTED, (list(TABLES),))]
        await _check_revision(database)
        if options is not None and not options.pooled:
            await look_at_room(database, options.max_size)
    except (psycopg.errors.DuplicatePreparedStatement, psycopg.errors.InvalidSqlStatementName) as error:
        raise SettingError(
            "STRONGROOM_DATABASE_URL",
            "leads through a pooler in transaction mode; give the database's own address, past the pooler, as"
            " STRONGROOM_DATABASE_DIRECT_URL, or let the pooler keep sessions",
        ) from error
    except DatabaseUnavailable as error:
        raise NotReady("the database went away while the service started; start it again") from error
    if unprotected:
        raise NotReady(f"row-level security is not forced on {', '.join(unprotected)}: run `migrate`")


async def look_at_room(database: Database, pool_max: int) -> None:
    """Warn if the server has too few connections for the pools of this process and its replicas."""
    [(room, listening)] = await database.read(SYSTEM, _ROOM, (APPLICATION,))
    each = pool_max + BESIDE_THE_POOL
    replicas = -(-listening // BESIDE_THE_POOL) + 1
    if room < each * replicas:
        log.warning(
            "too_few_connections",
            room=room,
            replicas=replicas,
            wanted=each * replicas,
            advice="raise max_connections of Postgres, lower STRONGROOM_DATABASE_POOL_MAX of each replica, or"
            " put a pooler before it (STRONGROOM_DATABASE_DIRECT_URL)",
        )


def _check_role(row: Row) -> None:
    role, superuser, bypass, owns = row
    if superuser or bypass:
        what = "is a superuser" if superuser else "has BYPASSRLS"
        raise SettingError(
            "STRONGROOM_DATABASE_URL",
            f"the role {role} {what}, so one user could see another's files; use a plain login here and give"
            " this one as STRONGROOM_MIGRATION_DATABASE_URL",
        )
    if owns:
        log.warning("role_owns_tables", role=role, advice="give the service a role of its own")


async def _check_revision(database: Database) -> None:
    """An unknown revision belongs to a newer release: schemas stay usable for the release before."""
    try:
        rows = await database.read(SYSTEM, _REVISION)
    except psycopg.errors.UndefinedTable as error:
        raise NotReady("the database has no schema yet: run `python -m metadata_service migrate`") from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise NotReady(
            "the role may not read the schema: run `migrate` with this STRONGROOM_DATABASE_URL"
        ) from error
    revision = rows[0][0] if rows else None
    if revision in REVISIONS[:-1] or revision is None:
        raise NotReady(
            f"the schema is at revision {revision}, this release needs {REVISIONS[-1]}: run"
            " `python -m metadata_service migrate`"
        )
