"""TLS and mTLS by settings, on both sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servicekit import context
from servicekit.auth.principal import Principal
from servicekit.serving.channels import call, make_channel
from servicekit.serving.server import serve_in_process
from servicekit.settings import SettingError
from strongroom.errors import ServiceUnavailable
from strongroom.storage.v1.upload_pb2 import GetUploadRequest
from tests.integration.servicekit.certificates import Authority
from tests.integration.servicekit.echo import Echo, EchoStub, settings, token


async def ask(server: dict[str, Any], client: dict[str, Any]) -> int:
    """One call between a server and a client with these settings."""
    who = Principal("alice", token=token())
    with context.bind(context.RequestContext("req-1", principal=who)):
        async with (
            serve_in_process(Echo().spec(), settings(**server)) as address,
            make_channel(address, settings(**client)) as channel,
        ):
            reply = await call(EchoStub(channel).unary, GetUploadRequest(upload_id="abc"), timeout=15)
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
