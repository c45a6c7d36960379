"""The one-shot steps of docker-compose.yml, run directly against real servers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from devstack import bucket, infra, roles
from devstack.postgres_files import find_programs
from tests.forks import programs
from tests.servers import own_postgres

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
pytestmark = pytest.mark.usefixtures("forking")


@pytest.fixture
def postgres(servers: infra.Infra) -> Iterator[infra.Infra]:
    """A cluster of its own beside the run's S3 server: roles belong to a whole cluster."""
    with own_postgres(servers) as running:
        yield running


def init_bucket(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return programs.run(["storage_service", "bucket", "init", "--no-policy"], os.environ | environ)


def test_the_bucket_is_made_with_versioning_and_left_alone_the_second_time(servers: infra.Infra) -> None:
    for first_line in ("ok    the bucket by-compose was made", "ok    the bucket by-compose is there"):
        done = init_bucket(servers.storage_environ() | {"AWS_S3_BUCKET": "by-compose"})
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[:2] == [first_line, "ok    versioning is on"]
    status = bucket.client(servers.s3).get_bucket_versioning(Bucket="by-compose")["Status"]
    assert status == "Enabled"


def test_a_wrong_key_fails_with_one_line(servers: infra.Infra) -> None:
    done = init_bucket(servers.storage_environ() | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert done.returncode == 1
    assert "can't be prepared: The object store does not know these credentials" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_roles_are_those_of_make_up(postgres: infra.Infra) -> None:
    superuser_dsn = postgres.postgres_superuser_dsn.rpartition("/")[0] + "/postgres"
    with psycopg.connect(superuser_dsn, autocommit=True) as admin:
        admin.execute("ALTER DATABASE strongroom RENAME TO ours")
        admin.execute("ALTER ROLE strongroom_owner RENAME TO ours_owner")
        admin.execute("ALTER ROLE strongroom_app RENAME TO ours_app")
    owner_password, app_password = 'owner\'s \\ "password"', "$app"
    server = urlsplit(superuser_dsn)
    env = {
        "PATH": f"{find_programs()}:{os.environ['PATH']}",
        "PGHOST": str(server.hostname),
        "PGPORT": str(server.port),
        "PGPASSWORD": str(server.password),
        "POSTGRES_USER": "postgres",
        "STRONGROOM_OWNER_PASSWORD": owner_password,
        "STRONGROOM_APP_PASSWORD": app_password,
    }
    subprocess.run([str(DEPLOY / "init-roles.sh")], env=env, check=True)
    database = postgres.postgres_superuser_dsn
    with psycopg.connect(roles.with_login(database, roles.OWNER, owner_password)) as owner:
        owner.execute("CREATE EXTENSION pg_trgm")
        owner.execute("CREATE TABLE owned (id int)")
    with psycopg.connect(roles.with_login(database, roles.APPLICATION, app_password)) as application:
        rights = application.execute(
            "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert rights == (False, False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("SELECT * FROM owned")
