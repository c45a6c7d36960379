"""Problems that prevent the start of metadata_service, or cause a warning: one line with the setting, without
a password.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql
from structlog.testing import capture_logs

from metadata_service import startup
from metadata_service.config import MetadataSettings, MigrationSettings, PoolOptions
from metadata_service.db.migrate import MigrationFailed, migrate
from metadata_service.db.pool import make_pool
from metadata_service.db.setting_errors import refusal, require_release
from metadata_service.events.wakeups import APPLICATION
from servicekit.settings import SettingError, read_settings
from tests.databases import Logins
from tests.integration.metadata_service.world import World

SETTING = "STRONGROOM_DATABASE_URL"


def changed(dsn: str, **parts: str) -> str:
    where = urlsplit(dsn)
    netloc = "{user}:{password}@{hostname}:{port}".format(
        **{"user": where.username, "password": where.password, "hostname": where.hostname, "port": where.port}
        | parts
    )
    return urlunsplit(
        where._replace(netloc=netloc, path=f"/{parts['name']}" if "name" in parts else where.path)
    )


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"password": "hunter2-hunter2"}, "correct user and password"),
        ({"user": "nobody-here", "password": "hunter2-hunter2"}, "correct user and password"),
        ({"name": "no-such-database"}, "create that database"),
    ],
)
async def test_an_address_that_never_will_do_is_refused_at_once(
    database: Logins, wrong: dict[str, str], told: str
) -> None:
    pool, url = make_pool(database.app, PoolOptions()), changed(database.app, **wrong)
    with pytest.raises(SettingError, match=told) as caught:
        await startup.open_pool(pool, url)
    assert str(caught.value).startswith(f"{SETTING}: ")
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SettingError, match=told) as direct:
        await startup.open_pool(pool, database.app, url)
    assert direct.value.name == "STRONGROOM_DATABASE_DIRECT_URL"


async def test_a_login_that_may_not(database: Logins) -> None:
    role = sql.Identifier(str(urlsplit(database.app).username))
    with psycopg.connect(database.superuser, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM {}, PUBLIC").format(name, role))
    with pytest.raises(SettingError, match="GRANT CONNECT"):
        await startup.reach(database.app, SETTING)


async def test_nobody_there_is_waited_for(database: Logins) -> None:
    with pytest.raises(startup.NotReady, match=f"^{SETTING}: .*start it, or correct the address") as caught:
        await startup.reach(changed(database.app, port="1"), SETTING, seconds=0)
    assert str(urlsplit(database.app).password) not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["mysql://ada:hunter2@db/x", "nonsense", "postgresql://a:hunter2@[::1/x", "a=b"]
)
@pytest.mark.parametrize("name", ["", "_DIRECT", "_READ", "_MIGRATION"])
def test_what_is_no_address(monkeypatch: pytest.MonkeyPatch, url: str, name: str) -> None:
    setting = {"_MIGRATION": "STRONGROOM_MIGRATION_DATABASE_URL"}.get(name, f"STRONGROOM_DATABASE{name}_URL")
    monkeypatch.setenv(SETTING, "postgresql://a@b/c")
    monkeypatch.setenv("STRONGROOM_JWT_SECRET", "s" * 32)
    monkeypatch.setenv(setting, url)
    with pytest.raises(SettingError, match=f"^{setting}: .*postgresql://USER") as caught:
        read_settings(MetadataSettings)
    assert "hunter2" not in str(caught.value)


def test_migrate_names_the_login_that_it_uses(database: Logins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, database.app)
    monkeypatch.setenv("STRONGROOM_MIGRATION_DATABASE_URL", changed(database.owner, password="hunter2"))
    with pytest.raises(SettingError, match="correct user and password") as caught:
        migrate(read_settings(MigrationSettings))
    assert caught.value.name == "STRONGROOM_MIGRATION_DATABASE_URL"
    monkeypatch.setenv("STRONGROOM_MIGRATION_DATABASE_URL", changed(database.owner, port="1"))
    with pytest.raises(MigrationFailed, match=r"^STRONGROOM_MIGRATION_DATABASE_URL: "):
        migrate(read_settings(MigrationSettings))


@pytest.mark.parametrize(("version", "shown"), [(140_011, "14.11"), (90_624, "9.624")])
def test_a_release_that_is_too_old(version: int, shown: str) -> None:
    with pytest.raises(SettingError, match=f"^{SETTING}: leads to Postgres {re.escape(shown)}; 15 or newer"):
        require_release(version, SETTING)
    require_release(150_000, SETTING)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', "pg_hba.conf admit"),
        ('FATAL:  role "x" does not exist', "run `migrate`"),
        ("server does not support SSL, but SSL was required", "sslmode"),
        ('root certificate file "/x" does not exist', "sslrootcert"),
        ('invalid sslmode value: "on"', "correct it"),
    ],
)
def test_refusals_that_last(said: str, told: str) -> None:
    found = refusal(psycopg.OperationalError(said), SETTING)
    assert found is not None
    assert told in str(found)
    assert refusal(psycopg.OperationalError("FATAL:  the database system is starting up"), SETTING) is None


async def test_too_few_connections_are_told_of(own_world: World, database: Logins) -> None:
    async def told_of(pool: int) -> list[MutableMapping[str, Any]]:
        with capture_logs() as lines:
            await startup.look_at_room(own_world.database, pool)
        return [line for line in lines if line["event"] == "too_few_connections"]

    assert not await told_of(8)
    with psycopg.connect(database.superuser, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 25").format(name))
    assert not await told_of(16)  # 18 of 25
    async with AsyncExitStack() as listening:
        for _ in range(startup.BESIDE_THE_POOL):
            connecting = psycopg.AsyncConnection.connect(database.app, application_name=APPLICATION)
            await listening.enter_async_context(await connecting)
        (line,) = await told_of(16)
    assert "STRONGROOM_DATABASE_POOL_MAX" in str(line)
    assert line["wanted"] == 36
