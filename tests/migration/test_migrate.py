"""`migrate`: repeated, concurrent, with few rights, and when it cannot."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from alembic import command
from pydantic import SecretStr

from metadata_service.config import MigrationSettings
from metadata_service.db import migrate as module
from metadata_service.db.migrate import MigrationFailed, alembic_config, migrate
from metadata_service.db.migrations import REVISIONS
from servicekit.settings import SettingError
from tests.databases import Logins
from tests.forks import programs
from tests.migration.test_schema import connect

pytestmark = pytest.mark.usefixtures("forking")
HEAD = REVISIONS[-1]
#: The number of revisions tested one by one: each was the newest once.
RELEASES_BACK = 4


@pytest.fixture
def fresh(empty_database: Logins) -> Iterator[Logins]:
    made = empty_database.create(f"fresh_{uuid.uuid4().hex}")
    yield made
    made.drop()


def as_user(url: str, user: str, password: str = "secret") -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"))


@pytest.fixture
def role(fresh: Logins) -> Iterator[str]:
    """The name of a role that does not exist yet; dropped afterwards."""
    name = f"role_{uuid.uuid4().hex}"
    yield name
    if fresh.rows("SELECT 1 FROM pg_roles WHERE rolname = %s", name):
        fresh.change(f"DROP OWNED BY {name} CASCADE")
        fresh.change(f"DROP ROLE {name}")


def test_from_nothing_and_again(fresh: Logins) -> None:
    assert migrate(fresh.migration_settings()) == f"schema at revision {HEAD} (was empty)"
    assert migrate(fresh.migration_settings()) == f"schema at revision {HEAD}"


def test_four_at_once(fresh: Logins) -> None:
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: migrate(fresh.migration_settings()), range(4)))
    assert sorted(said) == [f"schema at revision {HEAD}"] * 3 + [f"schema at revision {HEAD} (was empty)"]


def columns(database: Logins) -> dict[str, tuple[str, bool, bool]]:
    """Type, whether it may be null, and whether it has a default, by ``table.column``."""
    rows = database.rows(
        "SELECT attrelid::regclass || '.' || attname, format_type(atttypid, atttypmod), NOT attnotnull,"
        " atthasdef OR attidentity <> '' FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped"
    )
    return {name: (kind, nullable, given) for name, kind, nullable, given in rows}


def broken(older: dict[str, tuple[str, bool, bool]], newer: dict[str, tuple[str, bool, bool]]) -> list[str]:
    """What a release for the older schema could no longer read or insert on the newer one. It runs while the
    database is migrated, and until the last replica is replaced.
    """
    found = []
    for name, (kind, nullable, _) in older.items():
        if name not in newer:
            found.append(f"{name} is gone")
        elif newer[name][0] != kind:
            found.append(f"{name} was {kind}")
        elif nullable and not newer[name][1]:
            found.append(f"{name} could be null")
    tables = {name.partition(".")[0] for name in older}
    for name, (_, nullable, given) in newer.items():
        if name.partition(".")[0] in tables and name not in older and not nullable and not given:
            found.append(f"{name} wants a value")
    return found


@pytest.mark.parametrize(
    ("newer", "said"),
    [
        ({"files.a": ("text", True, False)}, "files.b is gone"),
        ({"files.a": ("text", True, False), "files.b": ("bigint", True, False)}, "files.b was text"),
        ({"files.a": ("text", True, False), "files.b": ("text", False, False)}, "files.b could be null"),
        (
            {
                **{f"files.{name}": ("text", True, False) for name in "ab"},
                "files.c": ("text", False, False),
            },
            "files.c wants a value",
        ),
    ],
)
def test_what_would_break_the_release_before_is_seen(
    newer: dict[str, tuple[str, bool, bool]], said: str
) -> None:
    older = {f"files.{name}": ("text", True, False) for name in "ab"}
    assert broken(older, newer) == [said]
    added = {
        "files.c": ("text", True, False),
        "files.d": ("text", False, True),
        "new.a": ("text", False, False),
    }
    assert broken(older, older | added) == []


def test_down_and_up_again(fresh: Logins) -> None:
    migrate(fresh.migration_settings())
    with connect(fresh.owner) as connection:
        connection.exec_driver_sql("SET app.scope = 'system'")
        connection.commit()
        newer = columns(fresh)
        for revision in reversed(REVISIONS[-1 - RELEASES_BACK : -1]):
            command.downgrade(alembic_config(connection), revision)
            connection.commit()
            older = columns(fresh)
            assert broken(older, newer) == [], f"what was written before the revision after {revision}"
            newer = older
        command.downgrade(alembic_config(connection), "base")
        connection.commit()
    left = fresh.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    assert left == [("alembic_version",)]
    assert migrate(fresh.migration_settings()) == f"schema at revision {HEAD} (was empty)"


def test_answers_of_saves_name_the_save(fresh: Logins) -> None:
    """Answers of uploads stay, and so do those of saves in progress during the change."""
    migrate(fresh.migration_settings())
    with connect(fresh.owner) as connection:
        connection.exec_driver_sql("SET app.scope = 'system'")
        connection.commit()
        command.downgrade(alembic_config(connection), "0008")
        connection.commit()
    fresh.change(
        "INSERT INTO projects (owner_id, id, slug, name) VALUES ('ada', gen_random_uuid(), 's', 's')"
    )
    fresh.change(
        "INSERT INTO project_versions (owner_id, project_id, version, save_id, added, changed, removed,"
        " rolled_back_to, content_sha256)"
        " SELECT owner_id, id, 1, gen_random_uuid(), 1, 0, 0, 0, '' FROM projects"
    )
    saved = "SELECT owner_id, 'saved', '', save_id, '', now() + interval '1 h' FROM project_versions"
    other = "SELECT 'ada', 'other', '', gen_random_uuid(), NULL, now() + interval '1 h'"
    for held in (saved, other):
        fresh.change(
            "INSERT INTO idempotency_keys (owner_id, request_id, fingerprint, blob_id, reply, expires_at) "
            + held
        )
    migrate(fresh.migration_settings())
    assert fresh.rows(
        "SELECT request_id, keys.blob_id IS NULL, keys.save_id = versions.save_id"
        " FROM idempotency_keys AS keys, project_versions AS versions ORDER BY 1"
    ) == [("other", False, None), ("saved", True, True)]


def test_a_pause_that_stands_as_a_lease_ends_within_a_minute(fresh: Logins) -> None:
    """As an earlier release has left it. The lease of a project's files, which is their save's, stays."""
    migrate(fresh.migration_settings())
    with connect(fresh.owner) as connection:
        connection.exec_driver_sql("SET app.scope = 'system'")
        connection.commit()
        command.downgrade(alembic_config(connection), "0005")
        connection.commit()
    for state, lease in ((2, "55 minutes"), (2, "5 seconds"), (2, "-3 hours"), (1, "100 years")):
        fresh.change(
            "INSERT INTO blobs (owner_id, id, state, epoch, kind, key, key_shared, content_type, spec,"
            " object_metadata, reserved_bytes, reserved_files, lease_expires_at)"
            f" VALUES ('ada', gen_random_uuid(), {state}, 1, 2, 'uploads/ada/' || gen_random_uuid(), false,"
            f" 'text/plain', '', '{{}}', 1, 1, now() + interval '{lease}')"
        )
    migrate(fresh.migration_settings())
    left = fresh.rows("SELECT extract(epoch FROM lease_expires_at - now()) FROM blobs ORDER BY 1")
    over, short, bounded, save = (float(seconds) for (seconds,) in left)
    assert over < -10_000
    assert short <= 5
    assert 5 < bounded <= 60
    assert save > 3_000_000_000


def test_one_login_for_both_works_and_is_warned_about(
    fresh: Logins, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = MigrationSettings(database_url=SecretStr(fresh.owner), migration_database_url=None)
    assert HEAD in migrate(settings)
    assert "a role of its own" in capsys.readouterr().err
    with psycopg.connect(fresh.owner) as connection:
        assert connection.execute("SELECT count(*) FROM files").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute("INSERT INTO quotas (owner_id) VALUES ('ada')")


def test_a_role_that_is_missing_is_asked_for(fresh: Logins, role: str) -> None:
    settings = MigrationSettings(
        database_url=SecretStr(as_user(fresh.app, role)), migration_database_url=SecretStr(fresh.owner)
    )
    with pytest.raises(SettingError, match=f"CREATE ROLE {role} LOGIN"):
        migrate(settings)


def test_a_role_that_is_missing_is_made_by_those_who_may(fresh: Logins, role: str) -> None:
    app = as_user(fresh.app, role, "pass'word")
    settings = MigrationSettings(
        database_url=SecretStr(app), migration_database_url=SecretStr(fresh.superuser)
    )
    migrate(settings)
    ((superuser, bypass),) = fresh.rows(
        "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = %s", role
    )
    assert (superuser, bypass) == (False, False)
    with psycopg.connect(app) as connection:
        assert connection.execute("SELECT count(*) FROM files").fetchone() == (0,)


def test_too_many_rights_are_taken_back(fresh: Logins) -> None:
    migrate(fresh.migration_settings())
    with psycopg.connect(fresh.owner) as connection:
        connection.execute("GRANT ALL ON files TO strongroom_app")
    migrate(fresh.migration_settings())
    held = fresh.rows(
        "SELECT privilege_type FROM information_schema.role_table_grants"
        " WHERE grantee = 'strongroom_app' AND table_name = 'files' ORDER BY 1"
    )
    assert held == [("DELETE",), ("INSERT",), ("SELECT",), ("UPDATE",)]


def test_a_busy_table_is_not_waited_for_long(fresh: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAIT_FOR_TABLES", "300ms")
    monkeypatch.setattr(module, "_PATIENCE", 0.0)
    migrate(fresh.migration_settings())
    with connect(fresh.owner) as connection:
        connection.exec_driver_sql("SET app.scope = 'system'")
        connection.commit()
        command.downgrade(alembic_config(connection), "base")
        connection.commit()
    with psycopg.connect(fresh.superuser) as other:
        other.execute("LOCK TABLE alembic_version IN SHARE MODE")
        with pytest.raises(MigrationFailed, match="busy"):
            migrate(fresh.migration_settings())
    assert HEAD in migrate(fresh.migration_settings())


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m metadata_service …` with `environment` and none of our other variables."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")}
    return programs.run(["metadata_service", *arguments], clean | environment)


def test_the_command(fresh: Logins) -> None:
    done = run("migrate", STRONGROOM_DATABASE_URL=fresh.app, STRONGROOM_MIGRATION_DATABASE_URL=fresh.owner)
    assert (done.returncode, done.stdout) == (0, f"schema at revision {HEAD} (was empty)\n")


@pytest.mark.parametrize(
    ("url", "status", "says"),
    [
        ("", 2, "STRONGROOM_DATABASE_URL"),
        ("postgresql://nobody:hidden-word@127.0.0.1:1/none", 1, "no database accepts the connection"),
    ],
)
def test_the_command_fails_in_one_line(url: str, status: int, says: str) -> None:
    done = run("migrate", STRONGROOM_DATABASE_URL=url)
    assert done.returncode == status
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hidden-word" not in done.stderr


def serve(url: str) -> subprocess.CompletedProcess[str]:
    return run(
        "serve",
        STRONGROOM_DATABASE_URL=url,
        STRONGROOM_JWT_SECRET="j" * 32,
        STRONGROOM_INTERNAL_SECRET="i" * 32,
        STRONGROOM_METADATA_BIND="127.0.0.1:0",
    )


def test_serve_wants_the_schema(fresh: Logins) -> None:
    done = serve(fresh.app)
    assert done.returncode == 1
    assert "run `python -m metadata_service migrate`" in done.stderr


def test_serve_wants_this_release_of_it(fresh: Logins) -> None:
    migrate(fresh.migration_settings())
    fresh.change("UPDATE alembic_version SET version_num = '0001'")
    done = serve(fresh.app)
    assert done.returncode == 1
    assert f"is at revision 0001, this release needs {HEAD}" in done.stderr


def test_serve_refuses_a_superuser(fresh: Logins) -> None:
    migrate(fresh.migration_settings())
    done = serve(fresh.superuser)
    assert done.returncode == 2
    assert "STRONGROOM_DATABASE_URL" in done.stderr
    assert "superuser" in done.stderr


def test_serve_wants_row_security_on_every_table(fresh: Logins) -> None:
    migrate(fresh.migration_settings())
    fresh.change("ALTER TABLE files NO FORCE ROW LEVEL SECURITY")
    done = serve(fresh.app)
    assert done.returncode == 1
    assert "row-level security is not forced on files" in done.stderr
