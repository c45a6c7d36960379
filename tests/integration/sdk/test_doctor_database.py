"""The doctor's checks of the database role: its rights, and the connections available to it."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
from psycopg import sql

from strongroom.cli.doctor.findings import Finding, Status
from strongroom.cli.doctor.postgres import look_at_postgres, mend_of
from tests.databases import Logins


def found(database: Logins, check: str, **environ: str) -> Finding | None:
    findings = look_at_postgres({"STRONGROOM_DATABASE_URL": database.app, **environ})
    return next((finding for finding in findings if finding.check == check), None)


def role_of(database: Logins) -> sql.Identifier:
    return sql.Identifier(str(psycopg.conninfo.conninfo_to_dict(database.app)["user"]))


def run(database: Logins, query: str) -> None:
    with psycopg.connect(database.superuser, autocommit=True) as connection:
        connection.execute(
            sql.SQL(query).format(role=role_of(database), database=sql.Identifier(connection.info.dbname))
        )


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("REVOKE DELETE ON events FROM {role}", "DELETE on events"),
        ("REVOKE INSERT, UPDATE ON blobs FROM {role}", "INSERT on blobs, UPDATE on blobs"),
        ("REVOKE ALL ON projects FROM {role}", "DELETE on projects, INSERT on projects, SELECT on projects"),
        ("REVOKE SELECT ON alembic_version FROM {role}", "SELECT on alembic_version"),
        ("REVOKE USAGE ON SCHEMA public FROM {role}, PUBLIC", "USAGE on schema public"),
    ],
)
def test_rights_that_the_role_lacks(database: Logins, query: str, told: str) -> None:
    assert found(database, "Postgres rights") is None
    run(database, query)
    finding = found(database, "Postgres rights")
    assert finding is not None
    assert finding.status is Status.FAIL
    assert told in finding.detail
    assert "metadata_service migrate" in finding.mend


@pytest.mark.parametrize(
    ("revision", "status", "mend"),
    [
        ("0001", Status.FAIL, "metadata_service migrate"),
        ("9999_of_a_newer_release", Status.WARN, "update what is installed here"),
    ],
)
def test_a_schema_of_another_release(database: Logins, revision: str, status: Status, mend: str) -> None:
    run(database, f"UPDATE alembic_version SET version_num = '{revision}'")
    finding = found(database, "Postgres migrations")
    assert finding is not None
    assert finding.status is status
    assert revision in finding.detail
    assert mend in finding.mend


@pytest.mark.parametrize(
    ("limit", "pool", "status"),
    [(17, "16", Status.FAIL), (30, "16", Status.WARN), (36, "16", Status.OK), (30, "200", Status.FAIL)],
)
def test_pools_that_are_too_large(database: Logins, limit: int, pool: str, status: Status) -> None:
    run(database, f"ALTER DATABASE {{database}} CONNECTION LIMIT {limit}")
    finding = found(database, "Postgres connections", STRONGROOM_DATABASE_POOL_MAX=pool)
    assert finding is not None
    assert finding.status is status
    assert f"{limit} for this role" in finding.detail
    assert status is Status.OK or "STRONGROOM_DATABASE_POOL_MAX" in finding.mend


@pytest.mark.parametrize(("limit", "status"), [(35, Status.FAIL), (53, Status.WARN), (54, Status.OK)])
def test_pools_of_all_replicas_that_are_connected(database: Logins, limit: int, status: Status) -> None:
    run(database, f"ALTER DATABASE {{database}} CONNECTION LIMIT {limit}")
    with contextlib.ExitStack() as listeners:
        for _ in range(4):  # two connections of each of two replicas
            name = "strongroom-metadata-events"
            listeners.enter_context(psycopg.connect(database.app, application_name=name))
        finding = found(database, "Postgres connections")
        pooled = found(database, "Postgres connections", STRONGROOM_DATABASE_DIRECT_URL=database.app)
    assert finding is not None
    assert finding.status is status
    assert "the 2 that are connected 36" in finding.detail
    assert pooled is not None
    assert pooled.status is Status.OK


def test_a_pool_beyond_max_connections(database: Logins) -> None:
    ((most,),) = database.rows("SELECT setting::int FROM pg_settings WHERE name = 'max_connections'")
    finding = found(database, "Postgres connections", STRONGROOM_DATABASE_POOL_MAX=str(most - 2))
    assert finding is not None
    assert (finding.status, "max_connections" in finding.mend) == (Status.FAIL, True)


def test_a_database_that_is_set_to_read_only(database: Logins) -> None:
    assert found(database, "Postgres writes") is None
    run(database, "ALTER ROLE {role} IN DATABASE {database} SET default_transaction_read_only = on")
    finding = found(database, "Postgres writes")
    assert finding is not None
    assert finding.status is Status.FAIL
    assert "RESET default_transaction_read_only" in finding.mend


class Refusal(Exception):
    def __init__(self, sqlstate: str | None, words: str) -> None:
        super().__init__(words)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "words", "mend"),
    [
        (None, "FATAL: remaining connection slots are reserved for roles with …", "max_connections"),
        (None, "FATAL: sorry, too many clients already", "max_connections"),
        ("57014", "canceling statement due to statement timeout", "limits of the role"),
        (None, "FATAL: no pg_hba.conf entry for host", "STRONGROOM_DATABASE_URL"),
    ],
)
def test_a_refusal_is_a_wrong_url_only_if_the_server_does_not_let_one_in(
    sqlstate: str | None, words: str, mend: str
) -> None:
    assert mend in mend_of(Refusal(sqlstate, words))
