"""Migrations don't block the service: their statements on tables in use, and the locks they hold."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, Final, cast
from unittest.mock import Mock

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import OperationalError, ProgrammingError

from metadata_service.db import migrate as module
from metadata_service.db.migrate import MigrationFailed, alembic_config, migrate
from metadata_service.db.migrations import REVISIONS, online
from tests.databases import Logins
from tests.migration.test_schema import connect
from tests.stack import until

HEAD: Final = REVISIONS[-1]
#: The rule applies to revisions after this one (docs/releases.md).
BEFORE_THE_RULE: Final = "0029"
#: 0032 adds indexes to tables in use, 0033 columns.
BEFORE_INDEXES: Final = "0031"
BEFORE_COLUMNS: Final = "0032"
#: Reads or rewrites a whole table under a lock that blocks its writers or its readers.
_HOLDS: Final = re.compile(
    r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)|DROP INDEX (?!CONCURRENTLY)|REINDEX (?!\w+ CONCURRENTLY)"
    r"|ADD (?:CONSTRAINT \S+ )?(?:UNIQUE|PRIMARY KEY|EXCLUDE)(?! USING INDEX)"
    r"|ADD (?:CONSTRAINT \S+ )?(?:CHECK|FOREIGN KEY)(?!.*NOT VALID)"
    r"|ADD COLUMN (?:IF NOT EXISTS )?[^,]*(?:REFERENCES|GENERATED|UNIQUE|CHECK|random|_timestamp|nextval)"
    r"|SET NOT NULL|ALTER (?:COLUMN )?\S+ (?:SET DATA )?TYPE|SET (?:UN)?LOGGED|SET TABLESPACE"
    r"|VACUUM FULL|CLUSTER|LOCK TABLE",
    re.DOTALL,
)
_TABLE: Final = re.compile(r"(?:ALTER TABLE (?:ONLY )?|UPDATE |DELETE FROM | ON )(?:public\.)?(\w+)")
_MADE: Final = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(?:public\.)?(\w+)")
#: Rows are changed by the service's loops, a few at a time; a migration would lock each until its COMMIT.
_ROWS: Final = re.compile(r"^\s*(?:UPDATE|DELETE FROM|MERGE INTO)\b")


def holds_up(statements: list[str]) -> list[str]:
    """The statements that block users of an existing table."""
    made = {name for one in statements for name in _MADE.findall(one)} | {"alembic_version"}
    return [
        one
        for one in statements
        if (_HOLDS.search(one) or _ROWS.search(one)) and not made.issuperset(_TABLE.findall(one) or {"?"})
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX a ON files (b)",
        "CREATE UNIQUE INDEX a ON files (b)",
        "DROP INDEX a",
        "ALTER TABLE files ADD CONSTRAINT a CHECK (b > 0)",
        "ALTER TABLE files ADD CONSTRAINT a FOREIGN KEY (b) REFERENCES c",
        "ALTER TABLE files ADD CONSTRAINT a UNIQUE (b)",
        "ALTER TABLE files ADD COLUMN a bigint GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE files ADD COLUMN a uuid DEFAULT gen_random_uuid()",
        "ALTER TABLE files ALTER COLUMN a SET NOT NULL",
        "ALTER TABLE files ALTER COLUMN a TYPE bigint",
        "UPDATE files SET a = 1",
    ],
)
def test_what_holds_writers_up_is_seen(statement: str) -> None:
    assert holds_up([statement]) == [statement]
    assert holds_up(["CREATE TABLE files (a int)", statement]) == ([statement] if "DROP" in statement else [])


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON files (b)",
        "DROP INDEX CONCURRENTLY IF EXISTS a",
        "ALTER TABLE files ADD COLUMN IF NOT EXISTS a text",
        "ALTER TABLE files ADD COLUMN a boolean NOT NULL DEFAULT false",
        "ALTER TABLE files ADD CONSTRAINT a CHECK (b > 0) NOT VALID",
        "ALTER TABLE files VALIDATE CONSTRAINT a",
        "UPDATE alembic_version SET version_num='0002'",
    ],
)
def test_what_holds_nobody_up_may_be_said(statement: str) -> None:
    assert holds_up([statement]) == []


@pytest.fixture
def fresh(empty_database: Logins) -> Iterator[Logins]:
    made = empty_database.create(f"online_{uuid.uuid4().hex}")
    migrate(made.migration_settings())
    yield made
    made.drop()


def back(database: Logins, revision: str) -> None:
    with connect(database.owner) as connection:
        connection.exec_driver_sql("SET app.scope = 'system'")
        connection.commit()
        command.downgrade(alembic_config(connection), revision)
        connection.commit()


def test_each_revision_keeps_the_rule(fresh: Logins) -> None:
    back(fresh, BEFORE_THE_RULE)
    with connect(fresh.owner) as connection:
        connection.exec_driver_sql("SET app.scope = 'system'")
        connection.commit()
        for revision in REVISIONS[REVISIONS.index(BEFORE_THE_RULE) + 1 :]:
            said: list[str] = []

            def note(_: Any, __: Any, statement: str, *___: Any, said: list[str] = said) -> None:
                said.append(statement)

            sa.event.listen(connection, "before_cursor_execute", note)
            command.upgrade(alembic_config(connection), revision)
            connection.commit()
            sa.event.remove(connection, "before_cursor_execute", note)
            assert said
            assert holds_up(said) == [], f"revision {revision}; metadata_service/db/migrations/online.py"


NEW: Final = (
    "INSERT INTO blobs (owner_id, id, state, epoch, kind, key, key_shared, content_type, spec,"
    " object_metadata, reserved_bytes, reserved_files, not_before)"
    " SELECT 'ada', gen_random_uuid(), 6, 1, 1, 'uploads/ada/' || gen_random_uuid(), false, 'text/plain', '',"
    " '{}', 0, 0, now() FROM generate_series(1, %s)"
)
#: What the migrating process waits for.
WAITS: Final = (
    "SELECT pid, query FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'strongroom-migrate' AND wait_event_type = 'Lock' AND wait_event = %s"
)
INDEX: Final = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('public.blobs_due_by_owner')"


def test_an_index_is_built_beside_writers_and_again_after_a_kill(fresh: Logins) -> None:
    """The build waits for an older transaction, and so stays between its steps."""
    back(fresh, BEFORE_INDEXES)
    fresh.change(NEW, 1000)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(fresh.superuser) as older:
        older.execute(NEW, (1,))
        killed = pool.submit(migrate, fresh.migration_settings())
        ((pid, query),) = until("it waits", lambda: fresh.rows(WAITS, "virtualxid"))
        assert "blobs_due_by_owner" in query
        held = fresh.rows(
            "SELECT DISTINCT mode FROM pg_locks WHERE pid = %s AND granted AND relation = 'blobs'::regclass",
            pid,
        )
        assert held == [("ShareUpdateExclusiveLock",)]
        with psycopg.connect(fresh.superuser, autocommit=True) as writer:
            writer.execute("SET lock_timeout = '60s'")
            writer.execute(NEW, (10,))
            assert writer.execute("UPDATE blobs SET attempts = 1 WHERE attempts = 0").rowcount == 1010
            assert writer.execute("DELETE FROM blobs WHERE attempts = 1").rowcount == 1010
        fresh.rows("SELECT pg_terminate_backend(%s)", pid)
        with pytest.raises(MigrationFailed):
            killed.result(60)
    assert fresh.rows(INDEX) == [(False,)]
    assert migrate(fresh.migration_settings()) == f"schema at revision {HEAD} (was {BEFORE_INDEXES})"
    assert fresh.rows(INDEX) == [(True,)]
    assert fresh.rows("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]


def test_a_busy_table_is_tried_again_and_others_pass_meanwhile(
    fresh: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WAIT_FOR_TABLES", "100ms")
    monkeypatch.setattr(module, "_PAUSE", 0.05)
    back(fresh, BEFORE_COLUMNS)
    tries = _counted(monkeypatch)
    with ThreadPoolExecutor(1) as pool, psycopg.connect(fresh.superuser) as reader:
        reader.execute("SELECT count(*) FROM blobs")
        migrating = pool.submit(migrate, fresh.migration_settings())
        until("it has tried", lambda: tries() >= 3)
        with psycopg.connect(fresh.superuser, autocommit=True) as other:
            other.execute("SET lock_timeout = '60s'")
            assert other.execute("SELECT count(*) FROM blobs").fetchone() == (0,)
        assert not migrating.done()
        reader.rollback()
        assert migrating.result(60).startswith(f"schema at revision {HEAD}")


def test_the_limit_of_a_providers_statements_ends_no_index(fresh: Logins) -> None:
    """Otherwise it would begin again in each run, and never finish."""
    back(fresh, BEFORE_INDEXES)
    name = fresh.rows("SELECT current_database()")[0][0]
    fresh.change(f"ALTER DATABASE {name} SET statement_timeout = '300ms'")
    with ThreadPoolExecutor(1) as pool, psycopg.connect(fresh.superuser) as older:
        older.execute("SET statement_timeout = 0")
        older.execute(NEW, (1,))
        migrating = pool.submit(migrate, fresh.migration_settings())
        until("it waits", lambda: fresh.rows(WAITS, "virtualxid"))
        older.execute("SELECT pg_sleep(0.5)")
        older.commit()
        assert migrating.result(60) == f"schema at revision {HEAD} (was {BEFORE_INDEXES})"


def test_an_index_that_fails_leaves_the_limit_of_the_next_statement(fresh: Logins) -> None:
    """`migrate` continues with the same connection after a deadlock."""
    with connect(fresh.owner) as connection:
        connection.exec_driver_sql("SET lock_timeout = '1s'")
        connection.commit()
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        with (
            Operations.context(context),
            pytest.raises(ProgrammingError, match="does not exist"),
            context.begin_transaction(_per_migration=True),
        ):
            online.create_index("never", "blobs (no_such_column)")
        connection.rollback()
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "1s"


def test_only_what_is_waited_for_tables_is_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The index before took an hour; each revision has its own minutes."""
    now, busy = [0.0], OperationalError("ALTER", None, psycopg.errors.LockNotAvailable())
    ends = iter((3600.0, 200.0, 200.0))
    reached = iter(("0032", "0033", "0033"))

    def upgrade(*_: object) -> None:
        if (seconds := next(ends, None)) is not None:
            now[0] += seconds
            raise busy

    monkeypatch.setattr(command, "upgrade", upgrade)
    monkeypatch.setattr(module, "_revision", lambda _: next(reached))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=lambda _: None))
    module._upgrade(cast("Any", Mock()))
    ends, reached = iter((1.0, 301.0)), iter(("0033", "0033"))
    with pytest.raises(OperationalError):
        module._upgrade(cast("Any", Mock()))


def _counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Counts how often `migrate` has begun its work."""
    upgrade, lock, count = command.upgrade, threading.Lock(), [0]

    def counting(*arguments: Any, **options: Any) -> None:
        with lock:
            count[0] += 1
        upgrade(*arguments, **options)

    monkeypatch.setattr(command, "upgrade", counting)
    return lambda: count[0]


def test_who_waits_for_another_migration_holds_nothing(fresh: Logins) -> None:
    """A concurrent index build waits for every older snapshot."""
    with psycopg.connect(fresh.superuser, autocommit=True) as other, ThreadPoolExecutor(1) as pool:
        other.execute("SELECT pg_advisory_lock(%s)", (module.MIGRATING,))
        waiting = pool.submit(migrate, fresh.migration_settings())
        until("it has asked", lambda: fresh.rows(_IDLE))
        assert fresh.rows(WAITS, "advisory") == []
        other.execute("SELECT pg_advisory_unlock(%s)", (module.MIGRATING,))
        assert waiting.result(60) == f"schema at revision {HEAD}"


_IDLE: Final = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle'"
    " AND application_name = 'strongroom-migrate' AND backend_xmin IS NULL"
)
