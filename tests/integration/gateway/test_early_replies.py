"""Responses before the end of the body reach the client, and the connection ends regularly."""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path

import pytest

from strongroom.errors import QuotaExceeded
from tests.integration.gateway.harness import Running, form
from tests.integration.gateway.raw import connect, head

UPLOAD = "/api/v1/s3/upload"
MIB = 1024 * 1024


async def test_a_refusal_is_seen_by_a_client_that_sends_on(gateway: Running) -> None:
    faults = gateway.backends.storage.faults
    faults.error, faults.fail_after = QuotaExceeded("The quota is used up."), 2 * MIB
    body, headers = form(bytes(20 * MIB), before={"folder": "uploads"})
    async with connect(gateway) as connection:
        await connection.send(head("POST", UPLOAD, **headers, Content_Length=len(body)) + body)
        answer = await connection.answer()
        assert (answer.status, answer.problem["code"]) == (413, "QUOTA_EXCEEDED")
        assert answer.headers["connection"] == "close"
        assert await connection.closed()


async def test_the_answer_does_not_wait_for_the_body(gateway: Running) -> None:
    body, headers = form(bytes(8 * MIB))
    async with connect(gateway) as connection:
        await connection.send(
            head("POST", UPLOAD, sub=None, **headers, Content_Length=len(body)) + body[:1000]
        )
        answer = await connection.answer()
    assert (answer.status, answer.problem["code"]) == (401, "TOKEN_MISSING")


async def test_a_small_rest_keeps_the_connection(gateway: Running) -> None:
    async with connect(gateway) as connection:
        await connection.send(head("POST", "/nowhere", Content_Length=5000) + b"x" * 5000)
        assert (await connection.answer()).status == 404
        await connection.send(head("GET", "/healthz"))
        assert (await connection.answer()).status == 200


async def test_continue_is_said_only_to_who_may_go_on(gateway: Running) -> None:
    body, headers = form(b"content")
    async with connect(gateway) as connection:
        refused = head("POST", UPLOAD, sub=None, **headers, Content_Length=len(body), Expect="100-continue")
        await connection.send(refused)
        answer = await connection.answer()
        assert (answer.status, answer.headers["connection"]) == (401, "close")
        assert await connection.closed()
    async with connect(gateway) as connection:
        await connection.send(
            head("POST", UPLOAD, **headers, Content_Length=len(body), Expect="100-continue")
        )
        assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await connection.send(body)
        assert (await connection.answer()).status == 201


async def test_a_length_that_nobody_may_send_is_refused_before_a_byte_of_it(gateway: Running) -> None:
    """On all upload routes, with and without 100 Continue; the largest allowed length is accepted."""
    _, headers = form(b"")
    json = {"Content_Type": "application/json"}
    tus = {"Content_Type": "application/offset+octet-stream", "Tus_Resumable": "1.0.0"}
    patch = {**tus, "Upload_Offset": "0"}
    limits = gateway.services.settings
    doors = [
        ("POST", UPLOAD, headers, limits.max_file_bytes),
        ("POST", "/api/generations/upload", headers, limits.max_generation_bytes),
        ("POST", f"/api/v1/events/{uuid.uuid4()}/media", headers, limits.max_event_media_bytes),
        ("PUT", "/api/v1/users/me/profile-picture", headers, limits.max_profile_picture_bytes),
        ("POST", "/api/v1/temp", headers, limits.max_temp_bytes),
        ("POST", "/files", {**tus, "Upload_Length": "10"}, limits.max_file_bytes),
        ("PATCH", "/files/abc", patch, 0),
        ("POST", "/api/projects/save", json, limits.max_project_bytes),
        ("PATCH", "/api/projects/one", json, limits.max_project_bytes),
        ("PATCH", "/api/projects/one", headers, limits.max_project_bytes),
        ("POST", "/api/projects/one/archive", {"Content_Type": "application/zip"}, limits.max_project_bytes),
        ("POST", "/api/generations", json, MIB),
        ("POST", "/api/v1/uploads", json, MIB),
    ]
    for method, path, given, most in doors:
        for expect in ({}, {"Expect": "100-continue"}):
            async with connect(gateway) as connection:
                await connection.send(head(method, path, **given, Content_Length=50 << 40, **expect))
                answer = await connection.answer()
            assert (answer.status, answer.problem["code"]) == (413, "SIZE_LIMIT_EXCEEDED"), (method, path)
        if not most:  # there is no such upload
            continue
        async with connect(gateway) as connection:
            await connection.send(head(method, path, **given, Content_Length=most, Expect="100-continue"))
            assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n", path


@pytest.mark.parametrize("expect", ["Expect:", "Expect: 100-continue"])
async def test_curl_shows_the_problem(gateway: Running, tmp_path: Path, expect: str) -> None:
    gateway.backends.store.limit = 3 * MIB
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(30 * MIB))
    url = f"http://127.0.0.1:{gateway.port}{UPLOAD}"
    token = gateway.client.headers["authorization"]
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "-o", "-", "-w", "%{http_code}", "-H", f"Authorization: {token}", "-H", expect),
        *("-F", "folder=uploads", "-F", f"file=@{large}", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert err == b""
    assert out.endswith(b"413")
    assert b"SIZE_LIMIT_EXCEEDED" in out
