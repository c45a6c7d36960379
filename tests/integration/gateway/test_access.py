"""Authorization: tokens, two users on every route, admins."""

from __future__ import annotations

import time
from typing import Any

import httpx
import jwt
import pytest

from gateway.surface import all_operations
from tests.integration.gateway.harness import SECRET, Running, bearer, form, run_gateway, token

#: tus refuses a missing Tus-Resumable first (412); test_tus_protocol.py tests its tokens.
PRIVATE = [one for one in all_operations() if not one.public and one.family != "tus"]
FILES = [operation for operation in PRIVATE if operation.family == "files"]
NOW = int(time.time())


def path_of(template: str, key: str = "uploads/alice/x.bin") -> str:
    return template.replace("{key:path}", key)


@pytest.mark.parametrize("operation", PRIVATE, ids=lambda operation: operation.name)
async def test_every_private_route_wants_a_token(gateway: Running, operation: Any) -> None:
    gateway.client.headers.pop("authorization")
    response = await gateway.client.request(operation.method, path_of(operation.path))
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["code"] == "TOKEN_MISSING"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("Bearer nonsense", "TOKEN_INVALID"),
        ("Bearer", "TOKEN_INVALID"),
        ("Basic YTpi", "TOKEN_INVALID"),
        (f"Bearer {token(exp=NOW - 10)}", "TOKEN_EXPIRED"),
        (f"Bearer {token(exp=None)}", "TOKEN_INVALID"),
        (f"Bearer {token(sub='')}", "TOKEN_INVALID"),
        (f"Bearer {jwt.encode({'sub': 'alice', 'exp': NOW + 99}, 'x' * 40, 'HS256')}", "TOKEN_INVALID"),
        (f"Bearer {jwt.encode({'sub': 'alice', 'exp': NOW + 99}, '', 'none')}", "TOKEN_INVALID"),
    ],
    ids=["nonsense", "empty", "basic", "expired", "no-exp", "no-sub", "other-key", "alg-none"],
)
async def test_bad_tokens(gateway: Running, value: str, code: str) -> None:
    response = await gateway.client.get("/api/v1/s3/files", headers={"Authorization": value})
    assert (response.status_code, response.json()["code"]) == (401, code)
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("others", [["Basic YTpi"], [""], None], ids=["another", "empty", "the same"])
@pytest.mark.parametrize("path", ["/api/v1/s3/files", "/api/notifications", "/api/projects"])
async def test_two_tokens_are_none(gateway: Running, path: str, others: list[str] | None) -> None:
    good = bearer()["Authorization"]
    headers = [("Authorization", value) for value in (good, *([good] if others is None else others))]
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        reply = await client.get(f"http://{gateway.address}{path}", headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (401, "TOKEN_INVALID")
    assert reply.json()["detail"].endswith("Authorization was sent more than once.")


async def test_a_token_anywhere_else_does_not_count(gateway: Running) -> None:
    gateway.client.headers.pop("authorization")
    response = await gateway.client.get(f"/api/v1/s3/files?access_token={token()}&token={token()}")
    assert response.status_code == 401


async def test_the_internal_credential_is_not_for_http(gateway: Running) -> None:
    gateway.client.headers.pop("authorization")
    claims = {"sub": "storage_service", "aud": "strongroom-internal", "exp": NOW + 60, "iat": NOW}
    internal = jwt.encode(claims, SECRET, "HS256")
    response = await gateway.client.get("/api/v1/s3/files", headers={"x-strongroom-internal": internal})
    assert response.status_code == 401


async def test_two_users_over_every_route(gateway: Running) -> None:
    body, headers = form(b"alice's")
    key = (await gateway.client.post("/api/v1/s3/upload", content=body, headers=headers)).json()["key"]
    bob = bearer("bob")
    for operation in FILES:
        path = path_of(operation.path, key)
        if operation.name == "upload":
            response = await gateway.client.post(
                f"{path}?user_id=alice", content=body, headers={**headers, **bob}
            )
            assert (response.status_code, response.json()["code"]) == (403, "USER_MISMATCH")
            continue
        response = await gateway.client.request(operation.method, path, headers=bob)
        if operation.name == "list_files":
            assert response.json()["files"] == []
        elif operation.name == "file_exists":
            assert response.json()["exists"] is False
        else:
            assert (response.status_code, response.json()["code"]) == (404, "FILE_NOT_FOUND"), operation.name
        mismatch = await gateway.client.request(operation.method, f"{path}?user_id=alice", headers=bob)
        assert (mismatch.status_code, mismatch.json()["code"]) == (403, "USER_MISMATCH"), operation.name
    assert len(list(gateway.backends.store.of("alice"))) == 1
    assert list(gateway.backends.store.of("bob")) == []


@pytest.mark.parametrize("claims", [{"roles": ["admin"]}, {"role": "admin"}])
async def test_admins_may_name_a_user(gateway: Running, claims: dict[str, Any]) -> None:
    body, headers = form(b"x")
    admin = bearer("root", **claims)
    response = await gateway.client.post(
        "/api/v1/s3/upload?user_id=alice", content=body, headers={**headers, **admin}
    )
    assert response.status_code == 201
    key = response.json()["key"]
    assert key.startswith("uploads/alice/")
    assert response.json()["url"] is not None
    for operation in FILES:
        if operation.name != "upload":
            path = f"{path_of(operation.path, key)}?user_id=alice"
            assert (await gateway.client.request(operation.method, path, headers=admin)).status_code == 200


async def test_optional_auth_lets_callers_stay_anonymous() -> None:
    async with run_gateway(auth="optional") as gateway:
        gateway.client.headers.pop("authorization")
        bad = await gateway.client.get("/api/v1/s3/files", headers={"Authorization": "Bearer x"})
        assert bad.status_code == 401
        response = await gateway.client.get("/api/v1/s3/files")
        assert (
            response.json()["code"] == "TOKEN_MISSING"
        )  # these services require a token, too: none trusts the network
