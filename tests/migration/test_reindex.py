"""The owner of the tables rebuilds indexes, whatever an interrupted run has left."""

from __future__ import annotations

import os
import threading

import psycopg
import pytest
from pydantic import SecretStr

from metadata_service.config import MigrationSettings
from metadata_service.db.migrate import MIGRATING, MigrationFailed
from metadata_service.db.reindex import reindex
from tests.databases import Logins
from tests.forks import programs


def settings(logins: Logins, url: str = "") -> MigrationSettings:
    return MigrationSettings(
        database_url=SecretStr(logins.app), migration_database_url=SecretStr(url or logins.superuser)
    )


def test_those_of_a_table_or_one(module_database: Logins) -> None:
    lines = list(reindex(settings(module_database), ["usage", "files_pkey"]))
    assert [line.partition("  ")[0] for line in lines] == ["files_pkey", "usage_pkey"]
    assert all(line.endswith(" bytes") for line in lines)


@pytest.mark.parametrize("name", ["usage_pkey_ccnew", "usage_pkey_ccold", "usage_pkey_ccnew1"])
def test_what_an_interrupted_one_has_left_goes(module_database: Logins, name: str) -> None:
    with psycopg.connect(module_database.superuser, autocommit=True) as connection:
        connection.execute(f"CREATE INDEX {name} ON usage (owner_id)")
        connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", (name,))
    first, second = reindex(settings(module_database), ["usage"])
    assert first == f"{name}  removed: an interrupted reindex has left it"
    assert second.startswith("usage_pkey  ")


def test_a_migration_under_way_refuses_it(module_database: Logins) -> None:
    with psycopg.connect(module_database.superuser) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATING,))
        with pytest.raises(MigrationFailed, match="is under way"):
            list(reindex(settings(module_database), ["usage"]))


def test_it_waits_for_a_session_that_is_ending(
    module_database: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metadata_service.db.reindex._LEAVING_SECONDS", 60.0)
    with psycopg.connect(module_database.superuser) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATING,))
        leaving = threading.Timer(0.3, connection.close)
        leaving.start()
        (line,) = reindex(settings(module_database), ["usage"])
        leaving.join()
    assert line.startswith("usage_pkey  ")


@pytest.mark.parametrize("name", ["nothing", "pg_class", "usage_pkey; DROP TABLE usage"])
def test_a_name_that_is_none(module_database: Logins, name: str) -> None:
    with pytest.raises(MigrationFailed, match="none of Strongroom's indexes"):
        list(reindex(settings(module_database), [name]))


def test_by_a_role_that_may_not(module_database: Logins) -> None:
    with pytest.raises(MigrationFailed, match="STRONGROOM_MIGRATION_DATABASE_URL has to name"):
        list(reindex(settings(module_database, module_database.app), ["usage"]))


@pytest.mark.usefixtures("forking")
def test_as_a_program(module_database: Logins) -> None:
    environ = os.environ | {
        "STRONGROOM_DATABASE_URL": module_database.app,
        "STRONGROOM_MIGRATION_DATABASE_URL": module_database.superuser,
    }
    done = programs.run(["metadata_service", "reindex", "quotas"], environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("quotas_pkey  ")
    wrong = programs.run(["metadata_service", "reindex", "nothing"], environ)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
