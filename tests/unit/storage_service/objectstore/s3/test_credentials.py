from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from storage_service.objectstore import errors
from storage_service.objectstore.s3.credentials import StaticCredentials
from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.values import BucketState, ObjectRef
from tests.unit.storage_service.objectstore.s3.scripted_server import ScriptedServer, Step, answer, put_ok
from tests.unit.storage_service.objectstore.s3.scripted_store import put_body, scripted


def test_options_hide_their_secrets() -> None:
    options = S3Options(bucket="b", access_key_id="AKID", secret_access_key="hush", session_token="hush too")
    assert "hush" not in repr(options)
    assert "hush" not in repr(StaticCredentials(options).current())


async def test_a_session_token_is_signed_and_sent() -> None:
    async with scripted(put_ok("e1"), session_token="token-1") as (store, server):
        await put_body(store)
    headers = server.requests[0].headers
    assert headers["x-amz-security-token"] == "token-1"
    assert "x-amz-security-token" in headers["authorization"]


async def test_without_credentials_nothing_is_sent() -> None:
    async with scripted(access_key_id=None) as (store, server):
        with pytest.raises(errors.NoCredentials, match="AWS_ACCESS_KEY_ID"):
            await put_body(store)
        with pytest.raises(errors.NoCredentials):
            await store.delete(ObjectRef("key"))
        assert (await store.check()).state is BucketState.NO_CREDENTIALS
    assert server.requests == []


async def test_the_chain_is_used_only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "also")
    gone = answer(204)
    async with scripted(put_ok("e1"), gone, use_iam_role=True, access_key_id=None) as (store, server):
        await put_body(store)
        await store.delete(ObjectRef("key"))
    assert all("Credential=from-environment/" in r.headers["authorization"] for r in server.requests)
    async with scripted(put_ok("e1"), gone) as (store, server):
        await put_body(store)
        await store.delete(ObjectRef("key"))
    assert all("Credential=key/" in r.headers["authorization"] for r in server.requests)


async def test_role_credentials_come_from_botocore_and_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    soon = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")  # botocore renews these
    late = (datetime.now(UTC) + timedelta(hours=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with ScriptedServer([role("first", soon), role("second", late)]).running() as container:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{container.port}/role")
        puts = [put_ok("e1")] * 3
        async with scripted(*puts, use_iam_role=True, access_key_id=None) as (store, server):
            for _ in puts:
                await put_body(store)
    assert [r.headers["x-amz-security-token"] for r in server.requests][1:] == ["of-second"] * 2
    assert len(container.requests) == 2


def role(name: str, expiration: str) -> Step:
    """Return the answer of a container's metadata service."""
    found = {"AccessKeyId": name, "SecretAccessKey": "s", "Token": f"of-{name}", "Expiration": expiration}
    return answer(200, json.dumps(found).encode())
