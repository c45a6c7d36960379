"""The common rules for requests and answers below /files."""

from __future__ import annotations

import httpx
import pytest

from strongroom.errors import (
    DatabaseUnavailable,
    DeadlineExceeded,
    Overloaded,
    RateLimited,
    StrongroomError,
    UploadExpired,
    UploadLost,
)
from tests.integration.gateway.harness import Running, bearer, run_gateway
from tests.integration.gateway.tus_calls import BYTES, TUS, create, head, metadata, patch, stored


async def test_options_needs_no_token_and_no_version(gateway: Running) -> None:
    async with httpx.AsyncClient(
        base_url=f"http://{gateway.address}", trust_env=False, verify=False
    ) as nobody:
        for path in ("/files", "/files/", "/files/anything"):
            reply = await nobody.options(path, headers={"Tus-Resumable": "0.2.2"})
            assert reply.status_code == 204
            assert reply.headers["tus-version"] == "1.0.0"
            assert set(reply.headers["tus-extension"].split(",")) == {
                "creation", "creation-with-upload", "creation-defer-length", "expiration", "checksum",
                "termination", "concatenation",
            }  # fmt: skip
            assert reply.headers["tus-max-size"] == str(5 * 1024**3)
            assert reply.headers["tus-checksum-algorithm"] == "sha1,sha256,crc32c"


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0.0, 1.0.0", ""])
@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE"])
async def test_another_version_is_412_and_nothing_is_done(
    gateway: Running, method: str, version: str | None
) -> None:
    url = "/files" if method == "POST" else await create(gateway, 3)
    gateway.backends.storage.calls.clear()
    headers = {**BYTES, "Upload-Length": "3", "Upload-Offset": "0"}
    del headers["Tus-Resumable"]
    if version is not None:
        headers["Tus-Resumable"] = version
    reply = await gateway.client.request(method, url, headers=headers, content=b"abc")
    assert reply.status_code == 412
    assert reply.headers["tus-version"] == "1.0.0"
    assert reply.headers["tus-resumable"] == "1.0.0"
    assert gateway.backends.storage.calls == []


async def test_every_answer_carries_the_version(gateway: Running) -> None:
    url = await create(gateway, 3)
    client = gateway.client
    async with httpx.AsyncClient(
        base_url=f"http://{gateway.address}", trust_env=False, verify=False
    ) as nobody:
        replies = [
            await client.post("/files", headers={**TUS, "Upload-Length": "1"}),
            await client.post("/files", headers=TUS),
            await patch(gateway, url, 0, b"a"),
            await patch(gateway, url, 0, b"a"),
            await head(gateway, url),
            await head(gateway, "/files/unknown"),
            await client.get(url, headers=TUS),
            await client.put(url, headers=TUS),
            await nobody.head(url, headers=TUS),
            await client.delete(url, headers=TUS),
        ]
    assert [reply.status_code for reply in replies] == [201, 400, 204, 409, 200, 404, 405, 405, 401, 204]
    assert {reply.headers["tus-resumable"] for reply in replies} == {"1.0.0"}


async def test_methods_can_be_overridden_on_post(gateway: Running) -> None:
    url = await create(gateway, 3)

    async def post(method: str, target: str, **headers: str) -> httpx.Response:
        override = {**BYTES, "X-HTTP-Method-Override": method, **headers}
        return await gateway.client.post(
            target, headers=override, content=b"abc" if method == "PATCH" else b""
        )

    assert (await post("PATCH", url, **{"Upload-Offset": "0"})).headers["upload-offset"] == "3"
    asked = await post("head", url)
    assert (asked.status_code, asked.headers["upload-offset"], asked.content) == (200, "3", b"")
    missing = await post("HEAD", "/files/unknown")
    assert (missing.status_code, missing.content) == (404, b"")
    assert (await post("DELETE", url)).status_code == 204
    assert (await head(gateway, url)).status_code == 404
    assert stored(gateway) == []


async def test_uploads_of_others_are_not_there(gateway: Running) -> None:
    url = await create(gateway, 3)
    for method in ("HEAD", "PATCH", "DELETE"):
        reply = await gateway.client.request(
            method, url, headers={**BYTES, **bearer("bob"), "Upload-Offset": "0"}, content=b"abc"
        )
        assert reply.status_code == 404
    assert (await head(gateway, url)).headers["upload-offset"] == "0"


async def test_a_foreign_user_id_is_refused(gateway: Running) -> None:
    named = {**TUS, "Upload-Length": "1", "Upload-Metadata": metadata(user_id="bob")}
    assert (await gateway.client.post("/files", headers=named)).status_code == 403
    url = await create(gateway, 3)
    for method in ("HEAD", "PATCH", "DELETE"):
        headers = {**BYTES, "Upload-Offset": "0"}
        reply = await gateway.client.request(method, f"{url}?user_id=bob", headers=headers, content=b"abc")
        assert reply.status_code == 403
    assert (await head(gateway, url)).headers["upload-offset"] == "0"


async def test_a_forgotten_upload_has_no_location(gateway: Running) -> None:
    """storage_service may remember the result of a request id for longer than its session."""
    key = {"Idempotency-Key": "one"}
    url = await create(gateway, 3, **key)
    gateway.backends.storage.sessions[url.rpartition("/")[2]].message.upload_id = ""
    reply = await gateway.client.post("/files", headers={**TUS, **key, "Upload-Length": "3"})
    assert reply.status_code == 404
    assert "location" not in reply.headers


@pytest.mark.parametrize("error", [UploadExpired("Too late."), UploadLost("Start again.")])
async def test_what_has_gone_is_410_without_an_offset(gateway: Running, error: StrongroomError) -> None:
    url = await create(gateway, 3)
    gateway.backends.storage.gone[url.rpartition("/")[2]] = error
    for reply in (await head(gateway, url), await patch(gateway, url, 0, b"abc")):
        assert reply.status_code == 410
        assert "upload-offset" not in reply.headers
        assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "error",
    [
        DeadlineExceeded("late"),
        RateLimited("slow down", retry_after=3),
        Overloaded("busy"),
        DatabaseUnavailable("down"),
    ],
)
@pytest.mark.parametrize("call", ["CreateUpload", "GetUpload", "Upload", "CancelUpload"])
async def test_what_passes_by_itself_is_503(gateway: Running, call: str, error: StrongroomError) -> None:
    url = await create(gateway, 3)
    gateway.backends.storage.session_errors[call] = error
    if call == "CreateUpload":
        answer = await gateway.client.post("/files", headers={**TUS, "Upload-Length": "1"})
    elif call == "GetUpload":
        answer = await head(gateway, url)
    elif call == "Upload":
        answer = await patch(gateway, url, 0, b"abc")
    else:
        answer = await gateway.client.delete(url, headers=TUS)
    refused = call == "CreateUpload" and isinstance(error, RateLimited)  # there is no upload to forget yet
    assert answer.status_code == (429 if refused else 503)
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["tus-resumable"] == "1.0.0"


async def test_a_storage_service_that_is_gone_is_503() -> None:
    async with run_gateway(storage_address="127.0.0.1:1") as gateway:
        assert (await head(gateway, "/files/abc")).status_code == 503
        assert (await patch(gateway, "/files/abc", 0, b"abc")).status_code == 503


async def test_pages_of_other_origins_may_speak_tus() -> None:
    async with run_gateway(cors_origins=("https://page.test",)) as gateway:
        origin = {"Origin": "https://page.test"}
        preflight = await gateway.client.options(
            "/files",
            headers={
                **origin,
                "Access-Control-Request-Method": "PATCH",
                "Access-Control-Request-Headers": "authorization,tus-resumable,upload-offset",
            },
        )
        assert preflight.status_code == 200
        methods = preflight.headers["access-control-allow-methods"].split(", ")
        assert {"PATCH", "HEAD", "DELETE", "POST"} <= set(methods)
        allowed = preflight.headers["access-control-allow-headers"].lower()
        assert "tus-resumable" in allowed
        assert "upload-offset" in allowed
        reply = await gateway.client.post("/files", headers={**TUS, **origin, "Upload-Length": "1"})
        exposed = set(reply.headers["access-control-expose-headers"].split(", "))
        assert {
            "Location", "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Upload-Offset",
            "Upload-Length", "Upload-Metadata", "Upload-Expires", "Upload-Concat", "Upload-Defer-Length",
        } <= exposed  # fmt: skip
        refused = await gateway.client.post("/files", headers=origin)
        assert refused.status_code == 412
        assert refused.headers["access-control-allow-origin"] == "https://page.test"
