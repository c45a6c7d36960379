"""Postgres and S3 for tests: their interface, and that kills lose no data."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import psycopg
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from devstack import bucket, infra
from devstack.errors import DevstackError, StartFailedError
from tests.integration.devstack.running import CHECKOUT, alive, until


def put_and_insert(servers: infra.Infra, name: str) -> None:
    bucket.client(servers.s3).put_object(Bucket=servers.s3.bucket, Key=name, Body=name.encode())
    with psycopg.connect(servers.owner_dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (name text)")
        connection.execute("INSERT INTO kept VALUES (%s)", (name,))


def assert_kept(servers: infra.Infra, name: str) -> None:
    s3 = bucket.client(servers.s3)
    assert s3.get_object(Bucket=servers.s3.bucket, Key=name)["Body"].read() == name.encode()
    listed = s3.list_objects_v2(Bucket=servers.s3.bucket, Prefix=name)["Contents"]
    assert [entry["Key"] for entry in listed] == [name]
    with psycopg.connect(servers.owner_dsn) as connection:
        assert connection.execute("SELECT count(*) FROM kept WHERE name = %s", (name,)).fetchone() == (1,)


def test_the_application_role_owns_nothing_and_has_no_special_right(servers: infra.Infra) -> None:
    with psycopg.connect(servers.app_dsn) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb,"
            " pg_get_userbyid(datdba) FROM pg_roles, pg_database"
            " WHERE rolname = current_user AND datname = current_database()"
        ).fetchone()
        assert row == (False, False, False, False, "strongroom_owner")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE mine (id int)")


def test_the_owner_makes_tables_and_trusted_extensions(servers: infra.Infra) -> None:
    with psycopg.connect(servers.owner_dsn) as connection:
        connection.execute("CREATE EXTENSION pg_trgm")
        connection.execute("CREATE TABLE owned (id uuid DEFAULT gen_random_uuid())")
        row = connection.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert row.fetchone() == (False, False)
        connection.rollback()


def test_postgres_asks_for_passwords_on_loopback_and_has_checksums(servers: infra.Infra) -> None:
    wrong = servers.app_dsn.replace("strongroom_app:", "strongroom_app:x")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    with psycopg.connect(servers.postgres_superuser_dsn) as connection:
        shown = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('unix_socket_directories'),"
            " current_setting('data_checksums'), current_setting('password_encryption')"
        ).fetchone()
    assert shown == ("127.0.0.1", "", "on", "scram-sha-256")


def test_the_bucket_keeps_versions_and_signatures_are_checked(servers: infra.Infra) -> None:
    s3, name = bucket.client(servers.s3), servers.s3.bucket
    first = s3.put_object(Bucket=name, Key="v", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=name, Key="v", Body=b"2")["VersionId"]
    assert first != second
    assert s3.get_object(Bucket=name, Key="v", VersionId=first)["Body"].read() == b"1"
    stranger = dataclasses.replace(servers.s3, secret_key="guessed")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        bucket.client(stranger).list_objects_v2(Bucket=name)


def test_secrets_are_private(servers: infra.Infra) -> None:
    for name in ("secrets.json", "infra.json", "children.json", "swift/conf/proxy-server.conf"):
        assert stat.S_IMODE((servers.data_dir / name).stat().st_mode) == 0o600, name


def test_every_server_process_may_be_killed(servers: infra.Infra) -> None:
    put_and_insert(servers, "before-kills")
    state = servers.state()
    for pid in (state.postgres.pid, *state.s3.pids):
        os.kill(pid, signal.SIGKILL)
    log = servers.data_dir / "log" / "infra.log"
    until("both are ready again", lambda: log.read_text().count("ready again") == 2)
    after = servers.state()
    assert not {state.postgres.pid, *state.s3.pids} & {after.postgres.pid, *after.s3.pids}
    assert all(alive(pid) for pid in (after.postgres.pid, *after.s3.pids))
    assert_kept(servers, "before-kills")


def test_listings_that_missed_a_change_are_made_good_at_the_next_start(servers: infra.Infra) -> None:
    """An object server that cannot reach the container server stores the listing's change for later."""
    s3 = bucket.client(servers.s3)
    argv = [sys.executable, "-m", "tests.integration.devstack.unlisted", str(servers.data_dir), "late"]
    subprocess.run(argv, cwd=CHECKOUT, check=True)
    assert "Contents" not in s3.list_objects_v2(Bucket=servers.s3.bucket, Prefix="late")
    os.kill(servers.state().s3.pids[0], signal.SIGKILL)

    def listed() -> bool:
        try:
            return "Contents" in s3.list_objects_v2(Bucket=servers.s3.bucket, Prefix="late")
        except (ClientError, BotoCoreError):
            return False  # while it starts

    until("the object is listed", listed)


def answers(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/healthcheck"):
            return True
    except OSError:
        return False


def test_what_a_killed_store_has_acknowledged_is_there(servers: infra.Infra) -> None:
    """It never waits for the disk: the kernel must have its writes when it answers."""
    s3, name = bucket.client(servers.s3), servers.s3.bucket
    body = os.urandom(300_000)
    kept = [s3.put_object(Bucket=name, Key=f"killed/{n}", Body=body)["VersionId"] for n in range(5)]
    before = servers.state().s3.pids
    os.kill(before[0], signal.SIGKILL)
    until(
        "the store is there again", lambda: servers.state().s3.pids != before and answers(servers.s3.endpoint)
    )
    for number, version in enumerate(kept):
        key = f"killed/{number}"
        assert s3.get_object(Bucket=name, Key=key, VersionId=version)["Body"].read() == body
    listed = s3.list_object_versions(Bucket=name, Prefix="killed/")["Versions"]
    assert [(entry["VersionId"], entry["Size"]) for entry in listed] == [(one, 300_000) for one in kept]


def test_data_survives_a_restart_and_a_killed_supervisor(data: Path) -> None:
    with infra.start(data) as first:
        put_and_insert(first, "one")
        open_upload = bucket.client(first.s3).create_multipart_upload(Bucket=first.s3.bucket, Key="open")
    second = infra.start(data)
    assert_kept(second, "one")
    put_and_insert(second, "two")
    state = second.state()
    pids = [state.postgres.pid, *state.s3.pids]
    os.kill(int((data / "lock").read_text()), signal.SIGKILL)
    second.close()
    with infra.start(data) as third:
        assert not any(alive(pid) for pid in pids)
        assert_kept(third, "one")
        assert_kept(third, "two")
        part = bucket.client(third.s3).upload_part(
            Bucket=third.s3.bucket, Key="open", UploadId=open_upload["UploadId"], PartNumber=1, Body=b"x"
        )
        assert part["ETag"]


def test_servers_stop_when_the_process_that_started_them_is_killed(data: Path) -> None:
    script = (
        "import sys, pathlib, devstack.infra as infra; it = infra.start(pathlib.Path(sys.argv[1]));"
        "print('up', flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", script, str(data)]
    starter = subprocess.Popen(argv, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"up\n"
        supervisor = int((data / "lock").read_text())
        starter.kill()
    until("the supervisor is gone", lambda: not alive(supervisor))
    assert not (data / "infra.json").exists()


def test_a_long_path_with_odd_characters_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("a long name, 100% odd " + "x" * 100)
    with infra.start(folder) as running:
        put_and_insert(running, "odd")
        assert_kept(running, "odd")


def test_a_moved_directory_with_other_ports_keeps_its_data(data: Path) -> None:
    with infra.start(data) as first:
        put_and_insert(first, "moved")
    there = data.rename(data.with_name("there"))
    kept = json.loads((there / "ports.json").read_text())
    with contextlib.ExitStack() as taken:
        for port in kept.values():
            taken.enter_context(socket.create_server(("127.0.0.1", port)))
        with infra.start(there) as second:
            assert_kept(second, "moved")
            assert not set(kept.values()) & set(json.loads((there / "ports.json").read_text()).values())


def test_two_run_side_by_side(servers: infra.Infra, data: Path) -> None:
    with infra.start(data) as other:
        assert other.s3.endpoint != servers.s3.endpoint
        put_and_insert(other, "mine")
        assert "Contents" not in bucket.client(servers.s3).list_objects_v2(Bucket="strongroom", Prefix="mine")


def test_the_same_directory_twice_is_refused(servers: infra.Infra) -> None:
    with pytest.raises(StartFailedError, match="already running"):
        infra.start(servers.data_dir)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DevstackError, match="set STRONGROOM_DATA_DIR"):
        infra.start(tmp_path / "file" / "below")
