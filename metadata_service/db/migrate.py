"""`python -m metadata_service migrate`: upgrades the schema to this release's revision and grants the
service's rights.

It may run at any time, also several times at once: an advisory lock lets one run work, and the others find
nothing to do. A session that waits for a table lock blocks all later ones, so DDL waits for a second and is
tried again for some minutes. Indexes of tables in use are built concurrently (`migrations.online`).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from psycopg import sql
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.exc import DBAPIError

from metadata_service.config import MigrationSettings
from metadata_service.db.schema import metadata
from metadata_service.db.setting_errors import one_line, refusal, require_release
from metadata_service.db.tables_admin import APPEND_ONLY
from servicekit.settings import SettingError

#: The advisory lock for changing or rebuilding the schema ("Strong").
MIGRATING: Final = 0x5374726F6E67
#: Seconds that `migrate` waits for other runs, and between two tries.
_WAIT_FOR_OTHERS: Final = 600.0
_BETWEEN_TRIES: Final = 0.1
_WAIT_FOR_TABLES: Final = "1s"
#: Seconds for which a revision is retried while its tables are busy, and the pause between tries, in which
#: other sessions get through.
_PATIENCE: Final = 300.0
_PAUSE: Final = 2.0
_BUSY: Final = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
#: Turns off time limits, which some providers set for every role: building an index on a large table would be
#: started again and again.
NO_TIME_LIMITS: Final = """
SELECT set_config(name, '0', false) FROM pg_settings
WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')
"""
_RIGHTS: Final = "SELECT, INSERT, UPDATE, DELETE"
_RIGHTS_TO_ADD: Final = "SELECT, INSERT"


class MigrationFailed(Exception):
    """`str()` is one line that says what to do."""


def migrate(settings: MigrationSettings) -> str:
    """Upgrade to the newest revision and grant the rights. Returns one line for people.

    Raises MigrationFailed, SettingError.
    """
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: _connect(settings), poolclass=pool.NullPool
    )
    try:
        with engine.connect() as connection:
            _prepare(connection)
            before = _revision(connection)
            _upgrade(connection)
            after = _revision(connection)
            grant(connection, settings)
            connection.connection.commit()  # the grants bypassed SQLAlchemy, which knows of no transaction
    except (MigrationFailed, SettingError):
        raise
    except Exception as error:
        cause = _of_postgres(error)
        if cause is None:
            raise
        raise MigrationFailed(_explain(cause)) from error
    return f"schema at revision {after}" + ("" if before == after else f" (was {before or 'empty'})")


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for running revisions on `connection`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def grant(connection: Connection, settings: MigrationSettings) -> None:
    """Grant the service's role the rights it needs and no more: no TRUNCATE (row-level security does not
    restrict it) and no DDL.

    Raises SettingError if the role does not exist and this role may not create it.
    """
    driver = _driver(connection)
    role, password = settings.service_login
    if role == driver.info.user:
        sys.stderr.write(f"warning: {role} owns the tables it serves; give the service a role of its own\n")
        return
    _ensure_role(driver, role, password)
    name = sql.Identifier(role)
    driver.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name))
    for table in metadata.sorted_tables:
        target = sql.Identifier("public", table.name)
        driver.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(target, name))
        rights = sql.SQL(_RIGHTS_TO_ADD if table.name in APPEND_ONLY else _RIGHTS)
        driver.execute(sql.SQL("GRANT {} ON {} TO {}").format(rights, target, name))
    driver.execute(sql.SQL("GRANT SELECT ON public.alembic_version TO {}").format(name))


def take_turn(connection: psycopg.Connection, patience: float) -> None:
    """Wait up to `patience` seconds for other migrations and reindexes to end. None can begin until
    `connection` is closed.

    It polls, because a session that waits for a lock holds a snapshot, and the holder of the lock may be
    building an index concurrently, which waits for all older snapshots. Raises MigrationFailed.
    """
    ends = time.monotonic() + patience
    while connection.execute("SELECT pg_try_advisory_lock(%s)", (MIGRATING,)).fetchone() != (True,):
        connection.commit()
        if time.monotonic() > ends:
            raise MigrationFailed(
                "another migration or reindex is under way; run this again when it has ended"
            )
        time.sleep(_BETWEEN_TRIES)
    connection.commit()


def _driver(connection: Connection) -> psycopg.Connection:
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("migrations run on psycopg")
    return driver


def _connect(settings: MigrationSettings) -> psycopg.Connection:
    setting = settings.owner_setting
    try:
        connection = psycopg.connect(
            settings.owner_url, application_name="strongroom-migrate", connect_timeout=10
        )
    except psycopg.Error as error:
        if (refused := refusal(error, setting)) is not None:
            raise refused from None
        raise MigrationFailed(
            f"{setting}: no database accepts the connection: {one_line(error)};"
            " start it, or correct the address"
        ) from None
    require_release(connection.info.server_version, setting)
    return connection


def _prepare(connection: Connection) -> None:
    """Wait for other migrations, then set the system's scope and short waits for tables."""
    take_turn(_driver(connection), _WAIT_FOR_OTHERS)
    connection.exec_driver_sql(f"SET lock_timeout = '{_WAIT_FOR_TABLES}'")
    connection.exec_driver_sql("SET app.scope = 'system'")
    connection.exec_driver_sql(NO_TIME_LIMITS)
    connection.commit()


def _upgrade(connection: Connection) -> None:
    """Upgrade to the newest revision. Each is a transaction of its own, or can be repeated.

    Patience begins when a revision first finds a table busy, since building indexes may take hours.
    """
    reached, ends = "", 0.0
    while True:
        try:
            command.upgrade(alembic_config(connection), "head")
        except DBAPIError as error:
            if not isinstance(error.orig, _BUSY):
                raise
            connection.rollback()
            now = _revision(connection) or "empty"
            if now != reached:
                reached, ends = now, time.monotonic() + _PATIENCE
            elif time.monotonic() > ends:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _revision(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    connection.commit()
    return revision


def _ensure_role(driver: psycopg.Connection, role: str, password: str) -> None:
    if driver.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
        return
    may = driver.execute(
        "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    if not may or not may[0]:
        raise SettingError(
            "STRONGROOM_DATABASE_URL",
            f"there is no role {role}, and {driver.info.user} may not create it; let an administrator run"
            f" CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '…'",
        )
    rights = sql.SQL("LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE")
    secret = sql.SQL(" PASSWORD {}").format(sql.Literal(password)) if password else sql.SQL("")
    driver.execute(sql.SQL("CREATE ROLE {} {}{}").format(sql.Identifier(role), rights, secret))


def _of_postgres(error: BaseException | None) -> psycopg.Error | None:
    """The psycopg error behind an error of SQLAlchemy, or behind one that followed from the lost
    connection.
    """
    while error is not None and not isinstance(error, psycopg.Error):
        error = error.__cause__ or error.__context__
    return error


def _explain(error: psycopg.Error) -> str:
    if isinstance(error, _BUSY):
        return "a table stayed busy, and what was to be changed there was not; run it again"
    return f"the migration failed: {one_line(error)}"
