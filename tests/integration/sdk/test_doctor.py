"""The doctor with failing fakes, a gateway, a real S3 and a real Postgres."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import psycopg
import pytest
from psycopg import sql

from devstack.infra import Infra
from strongroom.cli.doctor.findings import Finding, Status
from strongroom.cli.doctor.postgres import look_at_postgres
from strongroom.cli.doctor.s3 import look_at_s3
from strongroom.storage.v1.diagnostics_service_pb2 import InternalCall
from tests.databases import Logins
from tests.integration.sdk.fakes.server import Fakes
from tests.integration.sdk.fakes.state import State
from tests.integration.sdk.shell import Outcome, Shell

NOT_SERVING = 2
READY = {"storage": "ok", "metadata": "ok", "postgres": "ok", "s3": "ok", "internal": "ok"}


@contextmanager
def gateway(checks: dict[str, str] | None, *, alive: int = 200) -> Iterator[str]:
    """A server that answers like a gateway."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ready = self.path == "/readyz"
            body: dict[str, Any] = {"checks": checks} if ready and checks is not None else {"status": "ok"}
            unwell = ready and checks is not None and set(checks.values()) != {"ok"}
            self.send_response(503 if unwell else alive)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def statuses(outcome: Outcome) -> dict[str, str]:
    """The statuses in ``doctor --json``, by check."""
    return {document["check"]: document["status"] for document in outcome.documents}


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def test_a_healthy_system(shell: Shell) -> None:
    with gateway(READY) as url:
        done = shell("doctor", "--gateway-url", url)
    assert done.exit_code == 0
    assert {line.split()[0] for line in done.lines} == {"ok"}
    assert "ok    signed-in call to metadata_service: as alice: 0 files" in done.lines
    assert any(line.startswith("ok    s3, says the gateway") for line in done.lines)


def test_the_proxies_of_a_company_are_not_asked_for_this_machine(shell: Shell) -> None:
    nowhere = "http://127.0.0.1:9"
    with gateway(READY) as url:
        done = shell("doctor", "--gateway-url", url, "--json", http_proxy=nowhere, no_proxy="")
    assert (statuses(done)["gateway"], statuses(done)["storage_service"]) == ("ok", "ok")


def test_a_gateway_nobody_named_may_be_missing_and_a_named_one_not(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.cli.doctor.gateway.DEFAULT_GATEWAY_URL", "http://127.0.0.1:1")
    done = shell("doctor", "--json")
    assert (done.exit_code, statuses(done)["gateway"]) == (0, "warn")
    done = shell("doctor", "--json", STRONGROOM_GATEWAY_URL="http://127.0.0.1:1")
    assert (done.exit_code, statuses(done)["gateway"]) == (1, "fail")


def test_what_the_gateway_sees_is_told(shell: Shell) -> None:
    with gateway(READY | {"s3": "storage_service says it does not work"}) as url:
        done = shell("doctor", "--gateway-url", url, "--json")
    assert done.exit_code == 1
    assert statuses(done)["s3, says the gateway"] == "fail"
    with gateway(None) as url:
        assert statuses(shell("doctor", "--gateway-url", url, "--json"))["gateway readiness"] == "fail"
    with gateway(None, alive=404) as url:
        assert statuses(shell("doctor", "--gateway-url", url, "--json"))["gateway"] == "fail"


@pytest.mark.parametrize(
    ("states", "mends"),
    [
        (
            {
                "metadata": "did not answer in time",
                "postgres": "?",
                "internal": "storage_service says unreachable",
            },
            {
                "metadata": "start metadata_service",
                "postgres": "mend metadata first",
                "internal": "mend metadata first",
            },
        ),
        (
            {"internal": "storage_service says unreachable", "cleaner": "?"},
            {"internal": "STRONGROOM_METADATA_ADDRESS of storage_service", "cleaner": "mend internal first"},
        ),
        ({"internal": "storage_service says secret_differs"}, {"internal": "STRONGROOM_INTERNAL_SECRET"}),
        ({"internal": "storage_service says clock_differs"}, {"internal": "chronyd"}),
        ({"event_listen": "?"}, {"event_listen": "metadata_service's log"}),
        (
            {"postgres": "?", "event_listen": "?"},
            {"postgres": "the database", "event_listen": "mend postgres"},
        ),
    ],
)
def test_the_cause_is_to_be_mended_and_not_what_follows_from_it(
    states: dict[str, str], mends: dict[str, str], shell: Shell
) -> None:
    """With metadata_service down it used to report that the secrets differ."""
    with gateway(READY | states) as url:
        done = shell("doctor", "--gateway-url", url, "--json")
    said = {one["check"].partition(",")[0]: one["mend"] for one in done.documents if one["status"] == "fail"}
    assert said.keys() == mends.keys()
    for name, mend in mends.items():
        assert mend in said[name]


def test_no_proxy_is_blamed_for_events_that_cannot_begin(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens: list[str | None] = []

    async def look(_base: str, token: str | None) -> list[Finding]:
        tokens.append(token)
        return []

    monkeypatch.setattr("strongroom.cli.doctor.gateway.look_at_buffering", look)
    for states in (READY, READY | {"postgres": "metadata_service says refuses_writes"}):
        with gateway(states) as url:
            shell("doctor", "--gateway-url", url)
    assert [token is not None for token in tokens] == [True, False]


def test_a_server_that_refuses_writes_is_called_reachable(fakes: Fakes, shell: Shell) -> None:
    fakes.health["metadata"].reasons["strongroom.postgres"] = "refuses_writes"
    fakes.set_health("strongroom.postgres", NOT_SERVING)
    with gateway(READY) as url:
        done = shell("doctor", "--gateway-url", url, "--json")
    (document,) = [one for one in done.documents if one["check"] == "Postgres, says metadata_service"]
    assert (document["status"], document["detail"]) == ("fail", "reachable, but the server refuses writes")
    assert "database_refuses_writes" in document["mend"]


@pytest.mark.parametrize(
    ("service", "check", "mend"),
    [
        ("strongroom.s3", "S3, says storage_service", "AWS_S3_BUCKET"),
        ("strongroom.versioning", "S3 versioning, says storage_service", "put-bucket-versioning"),
        ("strongroom.postgres", "Postgres, says metadata_service", "STRONGROOM_DATABASE_URL"),
        ("", "storage_service", "look at its log"),
    ],
)
def test_what_the_services_report_is_told_with_what_to_do(
    service: str, check: str, mend: str, fakes: Fakes, shell: Shell
) -> None:
    fakes.set_health(service, NOT_SERVING)
    with gateway(READY) as url:
        done = shell("doctor", "--gateway-url", url, "--json")
    assert done.exit_code == 1
    (document,) = [one for one in done.documents if one["check"] == check]
    assert document["status"] == "fail"
    assert mend in document["mend"]


@pytest.mark.parametrize(
    ("outcome", "told", "mend"),
    [
        (InternalCall.OUTCOME_SECRET_DIFFERS, "refused", "STRONGROOM_INTERNAL_SECRET"),
        (InternalCall.OUTCOME_CLOCK_DIFFERS, "differ by 3600 s", "chronyd"),
        (InternalCall.OUTCOME_UNREACHABLE, "does not answer", "STRONGROOM_METADATA_ADDRESS"),
        (InternalCall.OUTCOME_FAILED, "fails", "log of metadata_service"),
    ],
)
def test_services_that_do_not_believe_each_other(
    outcome: InternalCall.Outcome.ValueType,
    told: str,
    mend: str,
    state: State,
    shell: Shell,
) -> None:
    state.internal_call = InternalCall(outcome=outcome, clock_difference_seconds=3600.0)
    with gateway(READY) as url:
        done = shell("doctor", "--gateway-url", url, "--json")
    assert done.exit_code == 1
    (found,) = [one for one in done.documents if one["check"] == "storage_service to metadata_service"]
    assert found["status"] == "fail"
    assert told in found["detail"]
    assert mend in found["mend"]


@pytest.mark.parametrize(("ahead", "between"), [(200, 0.0), (-200, 0.0), (0, 240.0), (0, -240.0)])
def test_clocks_that_differ_are_told_while_all_goes_well(
    ahead: int, between: float, state: State, shell: Shell
) -> None:
    state.clock_ahead = ahead
    state.internal_call.clock_difference_seconds = between
    with gateway(READY) as url:
        done = shell("doctor", "--gateway-url", url, "--json")
    (found,) = [one for one in done.documents if one["check"] == "clocks of the services"]
    assert (done.exit_code, found["status"]) == (0, "warn")
    assert f"{max(abs(ahead), abs(between)):.0f} s" in found["detail"]


def test_services_that_do_not_run(unset: dict[str, str]) -> None:
    shell = Shell(unset)
    done = shell("doctor", "--json", "--storage-address", "127.0.0.1:1", "--metadata-address", "127.0.0.1:1")
    found = {document["check"]: document for document in done.documents}
    assert done.exit_code == 1
    assert "python -m storage_service serve" in found["storage_service"]["mend"]
    assert "127.0.0.1:1" in found["metadata_service"]["detail"]


def test_a_token_that_is_refused(shell: Shell) -> None:
    done = shell("doctor", "--json", "--token", "nonsense")
    assert done.exit_code == 1
    assert statuses(done)["signed-in call to metadata_service"] == "fail"


@pytest.fixture
def aws(servers: Infra, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment with which storage_service uses the embedded S3."""
    environ = servers.storage_environ()
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return environ


def objects(servers: Infra) -> list[str]:
    """All objects that the doctor may have left, uploads in progress included."""
    s3 = servers.s3
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        aws_access_key_id=s3.access_key,
        aws_secret_access_key=s3.secret_key,
        region_name=s3.region,
    )
    listed = client.list_object_versions(Bucket=s3.bucket, Prefix="strongroom-doctor/")
    uploads = client.list_multipart_uploads(Bucket=s3.bucket).get("Uploads", [])
    versions = [one["Key"] for one in listed.get("Versions", [])]
    markers = [one["Key"] for one in listed.get("DeleteMarkers", [])]
    return versions + markers + [one["Key"] for one in uploads]


def test_a_bucket_that_is_as_it_should_be(servers: Infra, aws: dict[str, str]) -> None:
    findings = by_check(look_at_s3(aws))
    assert {finding.status for finding in findings.values()} == {Status.OK}, findings
    assert findings.keys() == {"S3 bucket", "clock", "S3 versioning", "S3 permissions"}
    assert objects(servers) == []


def test_a_bucket_that_does_not_exist(servers: Infra, aws: dict[str, str]) -> None:
    (finding,) = look_at_s3(aws | {"AWS_S3_BUCKET": "no-such-bucket-here"})
    assert finding.status is Status.FAIL
    assert "create the bucket" in finding.mend


def test_a_bucket_without_versioning(servers: Infra, aws: dict[str, str]) -> None:
    s3 = servers.s3
    client = boto3.client("s3", endpoint_url=s3.endpoint)
    client.create_bucket(Bucket="unversioned-bucket")
    findings = by_check(look_at_s3(aws | {"AWS_S3_BUCKET": "unversioned-bucket"}))
    assert findings["S3 versioning"].status is Status.WARN
    assert "put-bucket-versioning --bucket unversioned-bucket" in findings["S3 versioning"].mend
    assert findings["S3 permissions"].status is Status.OK
    assert client.list_objects_v2(Bucket="unversioned-bucket").get("Contents", []) == []
    client.delete_bucket(Bucket="unversioned-bucket")


def test_credentials_that_are_wrong_or_missing(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    (finding,) = look_at_s3(aws)
    assert finding.status is Status.FAIL
    assert "AWS_SECRET_ACCESS_KEY" in finding.mend
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    (finding,) = look_at_s3(aws)
    assert finding.check == "S3 credentials"


def test_an_s3_that_is_not_there(aws: dict[str, str]) -> None:
    (finding,) = look_at_s3(aws | {"AWS_S3_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert finding.status is Status.FAIL
    assert "AWS_S3_ENDPOINT_URL" in finding.mend


def test_a_database_that_is_as_it_should_be(database: Logins) -> None:
    findings = look_at_postgres({"STRONGROOM_DATABASE_URL": database.app})
    assert {finding.status for finding in findings} == {Status.OK}, findings
    assert [finding.check for finding in findings] == [
        "Postgres", "Postgres role", "Postgres connections", "Postgres migrations",
    ]  # fmt: skip
    assert "at head" in findings[-1].detail


def test_roles_that_policies_do_not_hold(database: Logins) -> None:
    superuser = by_check(look_at_postgres({"STRONGROOM_DATABASE_URL": database.superuser}))["Postgres role"]
    assert superuser.status is Status.FAIL
    assert "superuser" in superuser.detail
    owner = by_check(look_at_postgres({"STRONGROOM_DATABASE_URL": database.owner}))["Postgres role"]
    assert owner.status is Status.FAIL
    assert "owns" in owner.detail


def test_migrations_that_have_not_run_or_not_all(database: Logins, empty_database: Logins) -> None:
    database.change("UPDATE alembic_version SET version_num = '0001'")
    behind = look_at_postgres({"STRONGROOM_DATABASE_URL": database.app})[-1]
    assert behind.status is Status.FAIL
    assert "metadata_service migrate" in behind.mend
    none = empty_database.create("doctor_empty")
    try:
        finding = look_at_postgres({"STRONGROOM_DATABASE_URL": none.app})[-1]
    finally:
        none.drop()
    assert (finding.status, finding.detail) == (Status.FAIL, "none has run")


def test_a_database_that_refuses_or_is_not_there(database: Logins) -> None:
    for url in ("postgresql://127.0.0.1:1/x", database.app.replace("@", "wrong@")):
        (finding,) = look_at_postgres({"STRONGROOM_DATABASE_URL": url})
        assert finding.status is Status.FAIL
        assert "STRONGROOM_DATABASE_URL" in finding.mend
        assert "wrong@" not in finding.detail


def test_a_url_with_a_driver_is_understood(database: Logins) -> None:
    url = database.app.replace("postgresql://", "postgresql+psycopg://")
    assert look_at_postgres({"STRONGROOM_DATABASE_URL": url})[0].status is Status.OK


def test_a_read_only_replica_is_noticed(database: Logins) -> None:
    with psycopg.connect(database.superuser, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("CREATE SCHEMA shadow"))
        connection.execute(
            "CREATE FUNCTION shadow.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT true'"
        )
        connection.execute("GRANT USAGE ON SCHEMA shadow TO PUBLIC")
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET search_path = shadow, pg_catalog, public").format(name)
        )
    findings = look_at_postgres({"STRONGROOM_DATABASE_URL": database.app})
    assert "read-only replica" in findings[1].detail
