"""The doctor on a machine's settings."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import jwt
import pytest

from strongroom.cli.doctor import postgres, s3
from strongroom.cli.doctor.findings import Finding, Status, fail, line, ok
from strongroom.cli.doctor.setup import look_at_setup
from strongroom.client.settings import ClientSettings, Tls
from strongroom.client.tokens import development_token
from tests.unit.strongroom.client.stack_file import write_stack

SECRET = "s" * 40
GOOD = ClientSettings("127.0.0.1:1", "localhost:2", token=development_token(SECRET, "alice"))


def found(settings: ClientSettings, environ: dict[str, str]) -> dict[str, Finding]:
    return {finding.check: finding for finding in look_at_setup(settings, environ)}


def test_good_settings(tmp_path: Path) -> None:
    fresh = replace(GOOD, token=development_token(SECRET, "alice"))
    findings = found(fresh, write_stack(tmp_path))
    assert {finding.status for finding in findings.values()} == {Status.OK}
    assert re.fullmatch(r"for alice, (60|5\d) min left", findings["token"].detail)
    assert findings.keys() == {"storage address", "metadata address", "stack.json", "token"}


@pytest.mark.parametrize("address", ["nowhere", "host:", ":1", "host:port", "host:0", "host:99999"])
def test_addresses_that_are_none(address: str, tmp_path: Path) -> None:
    finding = found(replace(GOOD, storage_address=address), {"STRONGROOM_DATA_DIR": str(tmp_path)})[
        "storage address"
    ]
    assert finding.status is Status.FAIL
    assert "STRONGROOM_STORAGE_ADDRESS" in finding.mend


def test_addresses_in_the_clear_and_with_tls(tmp_path: Path) -> None:
    environ = {"STRONGROOM_DATA_DIR": str(tmp_path)}
    away = replace(GOOD, metadata_address="dns:///metadata.example.org:1")
    assert found(away, environ)["metadata address"].detail.endswith("with TLS")
    clear = found(replace(away, tls=False), environ)["metadata address"]
    assert clear.status is Status.WARN
    assert "in plaintext" in clear.detail


def test_pem_files(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----")
    (tmp_path / "cert.der").write_bytes(b"\x30\x82")
    tls = Tls(ca=str(tmp_path / "ca.pem"), certificate=tmp_path / "cert.der", key=str(tmp_path / "none"))
    findings = found(replace(GOOD, tls=tls), {"STRONGROOM_DATA_DIR": str(tmp_path)})
    assert findings["STRONGROOM_TLS_CA"].status is Status.OK
    assert "not PEM" in findings["STRONGROOM_TLS_CLIENT_CERT"].detail
    assert "No such file" in findings["STRONGROOM_TLS_CLIENT_KEY"].detail


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, "none"),
        ("opaque", "not a JWT"),
        (jwt.encode({"exp": 9e9}, SECRET), "no claim sub"),
        (jwt.encode({"sub": "a"}, SECRET), "no claim exp"),
        (jwt.encode({"sub": "a", "exp": 1000}, SECRET), "expired"),
    ],
    ids=["missing", "opaque", "no sub", "no exp", "expired"],
)
def test_tokens_that_will_not_do(token: str | None, said: str, tmp_path: Path) -> None:
    finding = found(replace(GOOD, token=token), {"STRONGROOM_DATA_DIR": str(tmp_path)})["token"]
    assert finding.status is (Status.WARN if token is None else Status.FAIL)
    assert said in finding.detail
    assert "strongroom token --sub" in finding.mend


def test_a_stack_file_that_others_can_read(tmp_path: Path) -> None:
    environ = write_stack(tmp_path)
    (tmp_path / "stack.json").chmod(0o644)
    finding = found(GOOD, environ)["stack.json"]
    assert finding.status is Status.WARN
    assert finding.mend == f"chmod 600 {tmp_path / 'stack.json'}"


def test_findings_are_one_line_and_one_to_mend() -> None:
    assert line(ok("a", "b")) == "ok    a: b"
    assert line(fail("a", "b\x1b", "c")) == "fail  a: b\\x1b\n      fix: c"


def test_nothing_is_looked_at_that_is_not_set() -> None:
    assert s3.look_at_s3({"AWS_ACCESS_KEY_ID": "x"}) == []
    assert postgres.look_at_postgres({}) == []


def test_libraries_that_are_missing_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "load", lambda _: None)
    monkeypatch.setattr(postgres, "load", lambda _: None)
    (about_s3,) = s3.look_at_s3({"S3_BUCKET_NAME": "x"})
    (about_postgres,) = postgres.look_at_postgres({"STRONGROOM_DATABASE_URL": "x"})
    assert {about_s3.status, about_postgres.status} == {Status.WARN}
    assert "pip install boto3" in about_s3.mend
    assert "pip install psycopg" in about_postgres.mend


def test_the_heads_of_this_checkouts_migrations_are_known() -> None:
    from metadata_service.db.migrations import REVISIONS

    assert postgres.known_revisions()[1] == {REVISIONS[-1]}
