"""What has to be true of the database before the service accepts a call."""

from __future__ import annotations

from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from metadata_service.db.database import SYSTEM, Database, Pool, Row
from metadata_service.db.migrations import REVISIONS, TABLES
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


class NotReady(Exception):
    """The service can't start on this database; `str()` is one line that says what to do."""


async def open_pool(pool: Pool) -> None:
    """Open the pool with its first connections. Raises NotReady when the server can't be reached or refuses
    us.
    """
    try:
        await pool.open(wait=True, timeout=OPEN_SECONDS)
    except PoolTimeout as error:
        await pool.close()
        raise NotReady(
            f"the database of STRONGROOM_DATABASE_URL could not be reached within {OPEN_SECONDS:.0f} s;"
            " the log above says why"
        ) from error


async def check(database: Database) -> None:
    """Role, row-level security and revision. Raises SettingError, NotReady."""
    try:
        _check_role((await database.read(SYSTEM, _ROLE, (list(TABLES),)))[0])
        unprotected = [row[0] for row in await database.read(SYSTEM, _UNPROTECTED, (list(TABLES),))]
        await _check_revision(database)
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
    """An unknown revision is a newer release's: schemas stay usable for the release before."""
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
