"""External Postgres and S3 servers: the logins that are created, and the refusals with their messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from devstack import bucket, infra, roles
from devstack.datadir import Secrets
from devstack.errors import DevstackError
from devstack.external import ExternalPostgres, ExternalStore
from devstack.settings import ExternalS3
from tests.integration.devstack.conftest import StartStack

MakeLogin = Callable[[str], str]


@pytest.fixture
def make_login(servers: infra.Infra) -> Iterator[MakeLogin]:
    """`make_login(rights)`: the URL of a new role that owns the new database `theirs`."""
    with psycopg.connect(servers.postgres_superuser_dsn, autocommit=True) as admin:

        def make(rights: str) -> str:
            admin.execute(f"CREATE ROLE theirs LOGIN PASSWORD 'pass word' {rights}")
            admin.execute("CREATE DATABASE theirs OWNER theirs")
            url = roles.with_login(servers.postgres_superuser_dsn, "theirs", "pass word")
            return url.rpartition("/")[0] + "/theirs"

        admin.execute("ALTER ROLE strongroom_owner RENAME TO ours_owner")
        admin.execute("ALTER ROLE strongroom_app RENAME TO ours_app")
        yield make
        admin.execute("DROP DATABASE IF EXISTS theirs WITH (FORCE)")
        for name in ("strongroom_owner", "strongroom_app", "theirs"):
            admin.execute(f"DROP ROLE IF EXISTS {name}")
        admin.execute("ALTER ROLE ours_owner RENAME TO strongroom_owner")
        admin.execute("ALTER ROLE ours_app RENAME TO strongroom_app")


def prepared(url: str, folder: Path) -> ExternalPostgres:
    database = ExternalPostgres(url, Secrets(folder / "secrets.json"))
    database.prepare()
    return database


def external_s3(servers: infra.Infra) -> ExternalS3:
    s3 = servers.s3
    return ExternalS3(
        endpoint=s3.endpoint,
        bucket=s3.bucket,
        region=s3.region,
        access_key=s3.access_key,
        secret_key=s3.secret_key,
        session_token="",
        verify_ssl=True,
    )


def login_of(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        return connection.info.user


@pytest.mark.parametrize("rights", ["SUPERUSER", "CREATEROLE"])
def test_two_roles_are_made_where_they_may_be(make_login: MakeLogin, tmp_path: Path, rights: str) -> None:
    url = make_login(rights)
    first, second = prepared(url, tmp_path), prepared(url, tmp_path)
    assert (first.owner_dsn, first.app_dsn) == (second.owner_dsn, second.app_dsn)
    assert (login_of(first.owner_dsn), login_of(first.app_dsn)) == ("strongroom_owner", "strongroom_app")
    assert first.superuser_dsn == url
    assert first.warning == ""
    with psycopg.connect(first.owner_dsn) as owner:
        owner.execute("CREATE TABLE rows (id int)")
        owner.execute("GRANT SELECT ON rows TO strongroom_app")
        owner.commit()
        shown = owner.execute(
            "SELECT bool_or(rolsuper OR rolbypassrls OR rolcreaterole) FROM pg_roles"
            " WHERE rolname IN ('strongroom_owner', 'strongroom_app')"
        ).fetchone()
    assert shown == (False,)
    with psycopg.connect(first.app_dsn) as application:
        assert application.execute("SELECT count(*) FROM rows").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("CREATE TABLE mine (id int)")


def test_lost_passwords_are_set_anew(make_login: MakeLogin, tmp_path: Path) -> None:
    url = make_login("SUPERUSER")
    first = prepared(url, tmp_path)
    (tmp_path / "secrets.json").unlink()
    second = prepared(url, tmp_path)
    assert first.app_dsn != second.app_dsn
    assert login_of(second.app_dsn) == "strongroom_app"


def test_a_plain_owner_serves_for_both_with_a_warning(make_login: MakeLogin, tmp_path: Path) -> None:
    url = make_login("")
    database = prepared(url, tmp_path)
    assert database.owner_dsn == database.app_dsn == url
    assert "both runs migrations and serves requests" in database.warning
    assert "\n" not in database.warning


def test_a_role_that_bypasses_row_level_security_is_refused(make_login: MakeLogin, tmp_path: Path) -> None:
    with pytest.raises(DevstackError, match="bypasses row-level security"):
        prepared(make_login("BYPASSRLS"), tmp_path)


def test_a_role_that_may_create_nothing_is_refused(servers: infra.Infra, tmp_path: Path) -> None:
    with pytest.raises(
        DevstackError, match="strongroom_app of STRONGROOM_DATABASE_URL may not create tables"
    ):
        prepared(servers.app_dsn, tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:secret@127.0.0.1:1/db",
        "postgresql://user:secret@nowhere.invalid/db",
        "not a url secret",
    ],
)
def test_an_unreachable_server_is_one_line_without_the_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(DevstackError, match="STRONGROOM_DATABASE_URL cannot be used") as raised:
        prepared(url, tmp_path)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_the_stack_runs_on_external_servers_alone(servers: infra.Infra, start_stack: StartStack) -> None:
    s3 = bucket.client(servers.s3)
    s3.create_bucket(Bucket="elsewhere")
    s3.put_bucket_versioning(Bucket="elsewhere", VersioningConfiguration={"Status": "Enabled"})
    theirs = servers.storage_environ() | {"AWS_S3_BUCKET": "elsewhere"}
    running = start_stack(STRONGROOM_DATABASE_URL=servers.owner_dsn, **theirs)
    stack = running.wait_up()
    assert stack["postgres"] == {"dsn": servers.owner_dsn, "pid": 0}
    assert stack["s3"] == {
        "endpoint": servers.s3.endpoint, "bucket": "elsewhere", "access_key": servers.s3.access_key,
        "secret_key": servers.s3.secret_key, "region": servers.s3.region, "pids": [],
    }  # fmt: skip
    storage = running.starts("storage")[0]
    assert {name: storage[name] for name in theirs} == theirs
    assert "STRONGROOM_S3_SSE" not in storage
    assert running.starts("metadata")[0]["STRONGROOM_DATABASE_URL"] == servers.owner_dsn
    assert not {"postgres", "swift"} & {path.name for path in running.data_dir.iterdir()}
    assert running.stop() == 0
    with psycopg.connect(servers.owner_dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_an_external_database_with_the_embedded_s3(servers: infra.Infra, start_stack: StartStack) -> None:
    stack = start_stack(STRONGROOM_DATABASE_URL=servers.owner_dsn).wait_up()
    assert stack["postgres"]["pid"] == 0
    assert len(stack["s3"]["pids"]) == 1


def test_an_external_s3_with_the_embedded_database(servers: infra.Infra, start_stack: StartStack) -> None:
    stack = start_stack(**servers.storage_environ()).wait_up()
    assert stack["s3"]["pids"] == []
    assert stack["postgres"]["pid"] > 0


@pytest.mark.parametrize(("status", "word"), [("", "off"), ("Suspended", "suspended")])
def test_a_bucket_that_keeps_no_versions_is_explained(
    servers: infra.Infra, start_stack: StartStack, status: str, word: str
) -> None:
    """Before any of our processes is started; the bucket is not changed."""
    name, s3 = f"versions-{word}", bucket.client(servers.s3)
    s3.create_bucket(Bucket=name)
    if status:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
    theirs = servers.storage_environ() | {"AWS_S3_BUCKET": name, "STRONGROOM_DATABASE_URL": servers.owner_dsn}
    running = start_stack(**theirs)
    last = running.wait_failed().splitlines()[-1]
    assert f"S3 Versioning of the bucket {name} is {word}" in last
    assert "strongroom bucket init" in last
    command = re.search(r"aws (s3api put-bucket-versioning .*)", last)
    assert command is not None
    assert f"--bucket {name}" in command[1]
    assert running.starts("storage") == []
    assert s3.get_bucket_versioning(Bucket=name).get("Status", "") == status


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [("AccessDenied", 403, "s3:GetBucketVersioning"), ("NotImplemented", 501, "has no S3 Versioning")],
)
def test_a_store_that_does_not_say_whether_it_keeps_versions(
    servers: infra.Infra, monkeypatch: pytest.MonkeyPatch, code: str, status: int, words: str
) -> None:
    external = ExternalStore(external_s3(servers))
    external.prepare()
    assert external.warning == ""

    def answer(store: object, call: str, parameters: object) -> object:
        if call == "HeadBucket":
            return {}
        error: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(error, call)

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", answer)
    if code == "AccessDenied":
        external.prepare()
        assert words in external.warning
    else:
        with pytest.raises(DevstackError, match=words):
            external.prepare()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"AWS_S3_BUCKET": "missing"}, "the bucket missing does not exist"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "denies access to the bucket"),
        ({"AWS_S3_ENDPOINT_URL": "http://127.0.0.1:1"}, "cannot be used"),
        ({"AWS_S3_BUCKET": ""}, "AWS_S3_ENDPOINT_URL is set but AWS_S3_BUCKET is not"),
        ({"AWS_S3_ENDPOINT_URL": ""}, "AWS_S3_BUCKET is set but AWS_S3_ENDPOINT_URL is not"),
    ],
)
def test_an_unusable_s3_is_explained(
    servers: infra.Infra, start_stack: StartStack, changed: dict[str, str], words: str
) -> None:
    environ = servers.storage_environ() | {"STRONGROOM_DATABASE_URL": servers.owner_dsn} | changed
    printed = start_stack(**environ).wait_failed()
    last = printed.splitlines()[-1]
    assert re.search(re.escape(words), last), printed
