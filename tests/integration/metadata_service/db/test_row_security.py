"""Row-level security: its definition in the catalogue, and attempts to bypass it."""

from __future__ import annotations

import asyncio
import random
import re

import psycopg
import pytest

from metadata_service.db.database import SYSTEM, Transaction, user
from metadata_service.db.migrations import TABLES
from metadata_service.db.tables_admin import APPEND_ONLY
from strongroom.errors import DatabaseUnavailable
from tests.databases import Logins
from tests.integration.metadata_service.world import World, make_world

#: Deliberately unique over all owners: S3 keys are, and no caller can choose such a key.
GLOBAL_UNIQUE = {
    ("admin_acts", "admin_acts_pkey"),
    ("alembic_version", "alembic_version_pkc"),
    ("cleaner_replicas", "cleaner_replicas_pkey"),
    ("erasures", "erasures_pkey"),
    ("blobs", "blobs_exclusive_key"),
    ("installation", "installation_pkey"),
    ("running_acts", "running_acts_by_token"),
    ("running_acts", "running_acts_objects"),
    ("running_acts", "running_acts_pkey"),
    ("shares", "shares_token"),
    ("storage_replicas", "storage_replicas_pkey"),
    ("verification_findings", "verification_findings_pkey"),
    ("verification_shards", "verification_shards_pkey"),
    ("verifications", "verifications_pkey"),
    ("verifications", "verifications_running"),
}
#: Tables without an owner; users see none of their rows.
OF_THE_SYSTEM = {
    "admin_acts",
    "alembic_version",
    "cleaner_replicas",
    "installation",
    "running_acts",
    "storage_replicas",
    "verification_findings",
    "verification_shards",
    "verifications",
}


def test_every_table_is_under_forced_row_level_security(module_database: Logins) -> None:
    rows = module_database.rows(
        "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'f') ORDER BY relname"
    )
    assert rows == [(name, True, True) for name in TABLES]


def test_each_table_has_one_policy_that_reads_and_writes_alike(module_database: Logins) -> None:
    rows = module_database.rows(
        "SELECT tablename, permissive, roles::text, cmd, qual, with_check FROM pg_policies"
        " WHERE schemaname = 'public' AND policyname <> 'not_erased'"
    )
    assert sorted(row[0] for row in rows) == sorted(TABLES)
    for table, permissive, roles, command, using, check in rows:
        assert (permissive, roles, command) == ("PERMISSIVE", "{public}", "ALL"), table
        assert using == check, table
        assert "app.scope" in using
        assert ("app.uid" in using) == (table not in OF_THE_SYSTEM)
        assert using not in {"true", "(true)"}


def test_the_services_role_is_nobody_special(module_database: Logins) -> None:
    (special,) = module_database.rows(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles"
        " WHERE rolname = 'strongroom_app'"
    )
    assert special == (False, False, False, False)
    owners = module_database.rows(
        "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    )
    assert owners == [("strongroom_owner",)]
    memberships = module_database.rows(
        "SELECT 1 FROM pg_auth_members WHERE member = 'strongroom_app'::regrole"
    )
    assert memberships == []


def test_the_services_role_may_read_and_write_rows_and_no_more(module_database: Logins) -> None:
    for table in TABLES:
        ((held,),) = module_database.rows(
            "SELECT array_agg(privilege_type::text ORDER BY privilege_type::text)"
            " FROM information_schema.role_table_grants WHERE grantee = 'strongroom_app' AND table_name = %s",
            table,
        )
        wanted = ["DELETE", "INSERT", "SELECT", "UPDATE"]
        if table in APPEND_ONLY:
            wanted = ["INSERT", "SELECT"]
        if table == "alembic_version":
            wanted = ["SELECT"]
        assert held == wanted, table
    ((may_create,),) = module_database.rows(
        "SELECT has_schema_privilege('strongroom_app', 'public', 'CREATE')"
    )
    assert not may_create


def test_unique_keys_and_foreign_keys_carry_the_owner(module_database: Logins) -> None:
    unique = module_database.rows(
        """
        SELECT tables.relname, indexes.relname,
            ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = indexes.oid ORDER BY attnum)
        FROM pg_index JOIN pg_class AS indexes ON indexes.oid = indexrelid JOIN pg_class AS tables ON
        tables.oid = indrelid
        WHERE indisunique AND tables.relnamespace = 'public'::regnamespace
        """
    )
    without = {(table, index) for table, index, columns in unique if columns[0] != "owner_id"}
    assert without == GLOBAL_UNIQUE
    foreign = module_database.rows(
        "SELECT conname, pg_get_constraintdef(oid), confdeltype FROM pg_constraint WHERE contype = 'f'"
    )
    assert len(foreign) >= 3
    for name, definition, on_delete in foreign:
        assert re.match(r"FOREIGN KEY \(owner_id, .* REFERENCES \w+\(owner_id, ", definition), name
        told_of_blobs = name in {"scans_blob", "archive_restores_blob"}  # notes on a blob, deleted with it
        reaches = on_delete != "a" and "REFERENCES blobs" in definition
        assert told_of_blobs or not reaches, "rule R7: no cascade reaches a blob"


def test_nothing_runs_with_other_rights(module_database: Logins) -> None:
    functions = "SELECT proname, prosecdef FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    assert sorted(module_database.rows(functions)) == [("raise_revision", False), ("refuse_held", False)]
    assert (
        module_database.rows(
            "SELECT relname FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')"
        )
        == []
    )


@pytest.mark.parametrize("uid", [None, "", "somebody-else"])
async def test_without_the_right_setting_there_is_nothing(world: World, owner: str, uid: str | None) -> None:
    await world.upload(owner)
    with psycopg.connect(world.logins.app) as connection:
        if uid is not None:
            connection.execute("SELECT set_config('app.uid', %s, true)", (uid,))
        for table in TABLES:
            assert connection.execute(f"SELECT count(*) FROM {table} WHERE true").fetchone() == (0,), table
        assert connection.execute("UPDATE files SET filename = 'x'").rowcount == 0
        assert connection.execute("DELETE FROM files").rowcount == 0


@pytest.mark.parametrize("uid", ["", "somebody-else"])
async def test_nobody_writes_for_somebody_else(world: World, owner: str, uid: str) -> None:
    with psycopg.connect(world.logins.app) as connection:
        connection.execute("SELECT set_config('app.uid', %s, true)", (uid,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute("INSERT INTO quotas (owner_id) VALUES (%s)", (owner,))


async def test_a_row_cannot_be_given_away(world: World, owner: str) -> None:
    await world.upload(owner)
    with psycopg.connect(world.logins.app) as connection:
        connection.execute("SELECT set_config('app.uid', %s, true)", (owner,))
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute("UPDATE usage SET owner_id = 'somebody-else'")


async def test_the_owner_of_the_tables_is_bound_too(world: World, owner: str) -> None:
    await world.upload(owner)
    with psycopg.connect(world.logins.owner) as connection:
        assert connection.execute("SELECT count(*) FROM files").fetchone() == (0,)


async def test_truncate_is_refused(world: World) -> None:
    with psycopg.connect(world.logins.app) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("TRUNCATE files CASCADE")


async def test_a_transactions_setting_ends_with_it(module_database: Logins, owner: str) -> None:
    async with make_world(module_database, min_size=1, max_size=1) as world:
        await world.database.read(user(owner), "SELECT 1")
        await world.database.read(SYSTEM, "SELECT 1")
        await world.upload(owner)
        connection = await world.pool.getconn()
        cursor = await connection.execute(
            "SELECT current_setting('app.uid', true), current_setting('app.scope', true)"
        )
        assert await cursor.fetchone() == ("", "")
        await world.pool.putconn(connection)


async def test_interleaved_users_on_one_connection(module_database: Logins, owner: str) -> None:
    """One pooled connection, five users, reads and writes, transactions killed and cancelled in between."""
    owners = [f"{owner}-{n}" for n in range(5)]
    chance = random.Random(5)
    async with make_world(module_database, min_size=1, max_size=1, wait=60.0) as world:
        for name in owners:
            await world.upload(name)

        async def see(name: str) -> None:
            seen = await world.database.read(user(name), "SELECT DISTINCT owner_id FROM files")
            assert seen == [(name,)]

        async def write(name: str) -> None:
            assert (await world.upload(name)).owner_id == name

        async def killed(name: str) -> None:
            async def work(tx: Transaction) -> None:
                row = await tx.fetch_one("SELECT pg_backend_pid()")
                assert row is not None
                await asyncio.to_thread(world.logins.rows, "SELECT pg_terminate_backend(%s)", row[0])
                await tx.fetch("SELECT 1")

            with pytest.raises(DatabaseUnavailable):
                await world.database.transact(user(name), work)

        async def cancelled(name: str) -> None:
            async def work(tx: Transaction) -> None:
                await tx.execute("INSERT INTO quotas (owner_id) VALUES (%s)", (name,))
                await tx.fetch("SELECT pg_sleep(20)")

            with pytest.raises(TimeoutError):
                await asyncio.wait_for(world.database.transact(user(name), work), 0.2)

        jobs = [chance.choice([see, see, see, write]) for _ in range(60)] + [killed, cancelled] * 3
        chance.shuffle(jobs)
        await asyncio.gather(*(job(chance.choice(owners)) for job in jobs))
        for name in owners:
            await see(name)
            assert await world.database.read(user(name), "SELECT 1 FROM quotas") == []
