"""The environment of each process."""

from __future__ import annotations

import dataclasses

import pytest

from devstack.environment import ALL as ONE
from devstack.environment import (
    GATEWAY,
    METADATA,
    MIGRATE,
    STORAGE,
    Addresses,
    StackValues,
    failpoints,
    for_service,
)
from devstack.stackfile import S3Entry

VALUES = StackValues(
    addresses=Addresses("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"),
    owner_dsn="postgresql://owner",
    app_dsn="postgresql://app",
    s3=S3Entry("http://s3", "bucket", "key", "secret", "region", []),
    jwt_secret="jwt",
    link_secret="a secret of links, 0123456789abcdef",
    internal_secret="internal",
    embedded_database=True,
    embedded_s3=True,
)
ALL = (GATEWAY, STORAGE, METADATA, MIGRATE)


@pytest.mark.parametrize("name", ALL)
def test_other_variables_pass_through(name: str) -> None:
    caller = {"STRONGROOM_AUTH": "optional", "MAX_FILE_SIZE": "5", "PATH": "/bin", "DEBUG": "1"}
    assert caller.items() <= for_service(name, caller, VALUES).items()


@pytest.mark.parametrize("name", ALL)
def test_callers_secrets_of_other_services_are_withheld(name: str) -> None:
    caller = {"AWS_PROFILE": "work", "STRONGROOM_DATABASE_URL": "theirs", "PGPASSWORD": "p", "S3_REGION": "x"}
    env = for_service(name, caller, VALUES)
    assert "AWS_PROFILE" not in env
    assert "PGPASSWORD" not in env
    assert "S3_REGION" not in env
    assert env.get("STRONGROOM_DATABASE_URL") in (None, "postgresql://app")


def test_an_external_store_keeps_the_callers_settings_for_storage_only() -> None:
    external = dataclasses.replace(VALUES, embedded_s3=False)
    caller = {"AWS_PROFILE": "work", "AWS_S3_VERIFY_SSL": "no", "STRONGROOM_S3_SSE": "AES256"}
    assert caller.items() <= for_service(STORAGE, caller, external).items()
    assert not caller.keys() & for_service(GATEWAY, caller, external).keys()
    assert not caller.keys() & for_service(METADATA, caller, external).keys()


def test_the_embedded_store_keeps_what_holds_for_any() -> None:
    caller = {
        "STRONGROOM_S3_SIGN_PAYLOAD": "never",
        "STRONGROOM_S3_KMS_KEY_ID": "k",
        "STRONGROOM_S3_BUCKET": "b",
    }
    kept = caller.items() & for_service(STORAGE, caller, VALUES).items()
    assert kept == {("STRONGROOM_S3_SIGN_PAYLOAD", "never")}


def test_an_external_database_keeps_the_callers_libpq_settings() -> None:
    external = dataclasses.replace(VALUES, embedded_database=False)
    caller = {"PGSSLROOTCERT": "/ca.pem"}
    assert for_service(METADATA, caller, external)["PGSSLROOTCERT"] == "/ca.pem"
    assert "PGSSLROOTCERT" not in for_service(STORAGE, caller, external)


def test_failpoints_go_to_the_process_they_name() -> None:
    caller = {"STRONGROOM_FAILPOINTS_STORAGE": "a=kill", "STRONGROOM_FAILPOINTS": "b=kill"}
    assert failpoints(STORAGE, caller) == {"STRONGROOM_FAILPOINTS": "a=kill"}
    assert failpoints(GATEWAY, caller) == {"STRONGROOM_FAILPOINTS": "b=kill"}
    assert failpoints(GATEWAY, {}) == {}
    assert not [name for name in for_service(STORAGE, caller, VALUES) if "FAILPOINTS" in name]


def test_each_process_has_a_metrics_address_of_its_own() -> None:
    caller = {"STRONGROOM_METRICS_BIND_STORAGE": "127.0.0.1:9101"}
    assert for_service(STORAGE, caller, VALUES)["STRONGROOM_METRICS_BIND"] == "127.0.0.1:9101"
    assert "STRONGROOM_METRICS_BIND" not in for_service(METADATA, caller, VALUES)


def test_no_proxy_stands_between_local_processes() -> None:
    env = for_service(STORAGE, {"NO_PROXY": "intra.example", "http_proxy": "http://proxy"}, VALUES)
    assert env["no_proxy"] == env["NO_PROXY"] == "intra.example,127.0.0.1,localhost"


def test_one_process_holds_what_each_service_needs_and_all_their_failpoints() -> None:
    caller = {"STRONGROOM_FAILPOINTS_STORAGE": "a=kill", "STRONGROOM_FAILPOINTS_GATEWAY": "b=kill"}
    assert failpoints(ONE, caller) == {"STRONGROOM_FAILPOINTS": "b=kill;a=kill"}
    assert failpoints(ONE, {"STRONGROOM_FAILPOINTS": "c=kill"}) == {"STRONGROOM_FAILPOINTS": "c=kill"}
    assert failpoints(ONE, {}) == {}
    each = [for_service(name, {}, VALUES) for name in (GATEWAY, STORAGE, METADATA)]
    together = for_service(ONE, {"STRONGROOM_METRICS_BIND": "127.0.0.1:9100"}, VALUES)
    assert {name for env in each for name in env} <= set(together)
    assert together["STRONGROOM_METRICS_BIND"] == "127.0.0.1:9100"
    assert "STRONGROOM_MIGRATION_DATABASE_URL" not in together
