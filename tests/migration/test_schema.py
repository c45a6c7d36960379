"""The newest revision and the tables in code give the same schema."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects.postgresql.base import ischema_names

from metadata_service.db.migrate import alembic_config
from metadata_service.db.migrations import REVISIONS, TABLES
from metadata_service.db.tables import Xid8, metadata
from tests.databases import Logins

CATALOGUE = {
    "columns": """
        SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name,
        identity_generation
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
    """,
    "indexes": """
        SELECT tablename, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype NOT IN ('n', 't')  -- no triggers
            AND conrelid <> coalesce(to_regclass('alembic_version'), 0)
    """,
    "storage": """
        SELECT relname, reloptions FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
    """,
}


def is_a_comment(change: Any) -> bool:
    """Comments on columns are only for readers of the code."""
    return isinstance(change, list) and all(step[0] == "modify_comment" for step in change)


def plain_default(row: str) -> str:
    """`'1'::bigint` and `1` are the same default."""
    return re.sub(r"\"'(-?\d+)'::\w+\"", r"'\1'", row)


def connect(url: str) -> sa.Connection:
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool)
    return engine.connect()


@pytest.fixture
def migrated(module_database: Logins) -> Iterator[sa.Connection]:
    with connect(module_database.owner) as connection:
        yield connection


@pytest.fixture(scope="module")
def created(empty_database: Logins) -> Iterator[Logins]:
    """A database created from the tables in code, without migrations."""
    made = empty_database.create(f"created_{uuid.uuid4().hex}")
    with connect(made.owner) as connection:
        metadata.create_all(connection)
        connection.commit()
    yield made
    made.drop()


def test_alembic_finds_nothing_to_change(migrated: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ischema_names, "xid8", Xid8)
    context = MigrationContext.configure(
        migrated, opts={"compare_type": True, "compare_server_default": True}
    )
    differences = [change for change in compare_metadata(context, metadata) if not is_a_comment(change)]
    assert differences == []


@pytest.mark.parametrize("part", CATALOGUE)
def test_the_catalogues_are_the_same(module_database: Logins, created: Logins, part: str) -> None:
    """Compares the properties that Alembic does not: collations, partial indexes, checks, foreign keys'
    actions, fill factors.
    """

    def sorted_rows(logins: Logins) -> list[str]:
        return sorted(plain_default(repr(row)) for row in logins.rows(CATALOGUE[part]))

    assert sorted_rows(module_database) == sorted_rows(created)


def test_the_revisions_form_one_line(migrated: sa.Connection) -> None:
    script = ScriptDirectory.from_config(alembic_config(migrated))
    assert [revision.revision for revision in script.walk_revisions()] == list(reversed(REVISIONS))
    assert script.get_heads() == [REVISIONS[-1]]


def test_the_list_of_tables_is_complete() -> None:
    assert sorted(["alembic_version", *metadata.tables]) == sorted(TABLES)


def test_text_that_is_compared_byte_by_byte(module_database: Logins) -> None:
    names = ["owner_id", "key", "slot", "request_id"]
    collations = module_database.rows(
        "SELECT DISTINCT column_name, collation_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = ANY(%s)"
        " AND table_name IN ('blobs', 'files', 'idempotency_keys')",
        names,
    )
    assert {name for name, collation in collations if collation == "C"} == set(names)
