"""TLS and mTLS by settings on both sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from structlog.testing import capture_logs

from servicekit import context
from servicekit.auth.principal import Principal
from servicekit.serving.channels import call, make_channel
from servicekit.serving.server import serve_in_process
from servicekit.serving.tls import read_pair
from servicekit.settings import SettingError
from strongroom.errors import ServiceUnavailable
from strongroom.storage.v1.upload_pb2 import GetUploadRequest
from tests.integration.servicekit.certificates import Authority
from tests.integration.servicekit.echo import Echo, EchoStub, settings, token


async def ask(server: dict[str, Any], client: dict[str, Any]) -> int:
    """Make one call between a server and a client with these settings."""
    who = Principal("alice", token=token())
    with context.bind(context.RequestContext("req-1", principal=who)):
        async with (
            serve_in_process(Echo().spec(), settings(**server)) as address,
            make_channel(address, settings(**client)) as channel,
        ):
            reply = await call(EchoStub(channel).unary, GetUploadRequest(upload_id="abc"), timeout=60)
    return int(reply.persisted_size)


async def test_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    server = {"tls_cert": cert, "tls_key": key}
    assert await ask(server, {"tls_ca": authority.path}) == 3
    for wrong in ({}, {"tls_ca": Authority(tmp_path, "other").path}):
        with pytest.raises(ServiceUnavailable):
            await ask(server, wrong)


async def test_mtls(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    cert, key = authority.issue("server")
    server = {"tls_cert": cert, "tls_key": key, "tls_client_ca": authority.path}

    def client(issuer: Authority, name: str) -> dict[str, Any]:
        client_cert, client_key = issuer.issue(name)
        return {"tls_ca": authority.path, "tls_client_cert": client_cert, "tls_client_key": client_key}

    assert await ask(server, client(authority, "client")) == 3
    for wrong in ({"tls_ca": authority.path}, client(stranger, "mallory")):
        with pytest.raises(ServiceUnavailable):
            await ask(server, wrong)


async def test_tls_may_listen_everywhere(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    everywhere = Echo().spec(bind="0.0.0.0:0")
    async with serve_in_process(everywhere, settings(tls_cert=cert, tls_key=key)) as address:
        assert address.startswith("0.0.0.0:")
    with pytest.raises(SettingError, match="STRONGROOM_ECHO_BIND"):
        async with serve_in_process(everywhere, settings()):
            pass


async def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    missing = {"tls_cert": tmp_path / "no.crt", "tls_key": tmp_path / "no.key"}
    with pytest.raises(SettingError, match="STRONGROOM_TLS_KEY"):
        await ask(missing, {})
    with pytest.raises(SettingError, match="STRONGROOM_TLS_CA"):
        await ask({}, {"tls_ca": tmp_path / "no.pem"})


@pytest.mark.parametrize("use", ["server", "client"])
async def test_files_that_can_not_be_used_are_named(tmp_path: Path, use: str) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    _, other_key = authority.issue("other")
    text, locked = tmp_path / "text.pem", tmp_path / "locked.key"
    text.write_text("no PEM at all")
    secret = load_pem_private_key(key.read_bytes(), None)
    locked.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    broken = tmp_path / "broken.pem"
    broken.write_bytes(cert.read_bytes().replace(b"M", b"N"))
    name = "tls" if use == "server" else "tls_client"
    for pair, setting, told in (
        ((cert, other_key), "KEY", "is not the key of"),
        ((text, key), "CERT", "no certificate in PEM"),
        ((cert, text), "KEY", "no private key in PEM"),
        ((cert, locked), "KEY", "passphrase"),
        ((broken, key), "CERT", "can't be used"),
    ):
        given = {f"{name}_cert": pair[0], f"{name}_key": pair[1]}
        with pytest.raises(SettingError, match=f"^STRONGROOM_{name.upper()}_{setting}: .*{told}"):
            await ask(given, {}) if use == "server" else await ask({}, given)
    no_ca = {"tls_cert": cert, "tls_key": key, "tls_client_ca": text}
    with pytest.raises(SettingError, match=r"^STRONGROOM_TLS_(CLIENT_)?CA: .*no certificate"):
        await ask(no_ca, {}) if use == "server" else await ask({}, {"tls_ca": text})


@pytest.mark.parametrize(
    ("hours", "event"), [((-3, -1), "certificate_expired"), ((1, 3), "certificate_not_yet")]
)
async def test_dates_that_do_not_hold_are_told_of(tmp_path: Path, hours: tuple[int, int], event: str) -> None:
    authority = Authority(tmp_path)
    authority.hours = hours
    cert, key = authority.issue("server")
    with capture_logs() as lines:
        read_pair(cert, key, ("http_tls_cert", "http_tls_key"))
    (told,) = lines
    assert told["event"] == event
    assert "STRONGROOM_HTTP_TLS_CERT" in str(told)
