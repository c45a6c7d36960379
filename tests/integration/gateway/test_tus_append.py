"""HEAD, PATCH and DELETE of an upload: offsets, lengths, checksums."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator

import google_crc32c
import pytest

from strongroom.errors import UploadNotFound
from tests.integration.gateway.harness import Running
from tests.integration.gateway.tus_calls import BYTES, TUS, create, head, patch, stored

MIB = 1024 * 1024


async def test_offsets_go_up_to_the_length(gateway: Running) -> None:
    url = await create(gateway, 6)
    for offset, piece in ((0, b"ab"), (2, b"cd")):
        reply = await patch(gateway, url, offset, piece)
        assert (reply.status_code, reply.headers["upload-offset"]) == (204, str(offset + 2))
        assert reply.headers["upload-expires"].endswith("GMT")
        asked = await head(gateway, url)
        assert (asked.status_code, asked.headers["upload-offset"]) == (200, str(offset + 2))
        assert (asked.headers["upload-length"], asked.headers["cache-control"]) == ("6", "no-store")
        assert asked.content == b""
    assert stored(gateway) == []
    last = await patch(gateway, url, 4, b"ef")
    assert (last.status_code, last.headers["upload-offset"]) == (204, "6")
    assert "upload-expires" not in last.headers
    assert (await head(gateway, url)).headers["upload-offset"] == "6"
    assert stored(gateway) == [b"abcdef"]
    again = await patch(gateway, url, 6)
    assert (again.status_code, again.headers["upload-offset"]) == (204, "6")


async def test_what_is_replaced_as_soon_as_it_was_stored_was_stored(gateway: Running) -> None:
    """Two clients write to one path: the first one's session is gone when its last PATCH is answered."""
    url = await create(gateway, 3)
    gateway.backends.storage.session_errors["GetUpload"] = UploadNotFound("Its file was replaced.")
    last = await patch(gateway, url, 0, b"abc")
    assert (last.status_code, last.headers["upload-offset"]) == (204, "3")
    assert stored(gateway) == [b"abc"]


async def test_unknown_uploads_are_404_without_an_offset(gateway: Running) -> None:
    for url in ("/files/unknown", "/files/a%20b", "/files/" + "x" * 300):
        for reply in (await head(gateway, url), await patch(gateway, url, 0, b"abc")):
            assert reply.status_code == 404
            assert "upload-offset" not in reply.headers
            assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("offset", [0, 1, 3, 9])
async def test_a_wrong_offset_is_a_conflict(gateway: Running, offset: int) -> None:
    url = await create(gateway, 10)
    await patch(gateway, url, 0, b"ab")
    reply = await patch(gateway, url, offset, b"xy")
    assert reply.status_code == 409
    assert reply.json()["metadata"]["persisted_size"] == "2"
    assert (await head(gateway, url)).headers["upload-offset"] == "2"


@pytest.mark.parametrize("offset", [None, "-1", "one", "1.0"])
async def test_offsets_that_are_none(gateway: Running, offset: str | None) -> None:
    url = await create(gateway, 3)
    headers = BYTES | ({"Upload-Offset": offset} if offset else {})
    assert (await gateway.client.patch(url, headers=headers, content=b"abc")).status_code == 400
    assert stored(gateway) == []


@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Encoding": "gzip"}],
)
async def test_another_type_is_415(gateway: Running, headers: dict[str, str]) -> None:
    url = await create(gateway, 3)
    reply = await patch(gateway, url, 0, b"abc", **headers)
    assert reply.status_code == 415
    assert (await head(gateway, url)).headers["upload-offset"] == "0"


async def test_past_the_length_is_413_and_nothing_past_it_is_kept(gateway: Running) -> None:
    url = await create(gateway, 3)
    reply = await patch(gateway, url, 0, b"abcd")
    assert reply.status_code == 413
    assert int((await head(gateway, url)).headers["upload-offset"]) <= 3
    assert all(data == b"abc" for data in stored(gateway))


async def test_over_the_limit_is_413(gateway: Running) -> None:
    gateway.backends.store.limit = 3
    url = await create(gateway, None)
    assert (await patch(gateway, url, 0, b"abcd")).status_code == 413
    assert stored(gateway) == []


async def test_chunked_bodies_arrive_whole(gateway: Running) -> None:
    content = bytes(range(256)) * (9 * MIB // 256)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 300_007):
            yield content[start : start + 300_007]

    url = await create(gateway, len(content))
    assert (await patch(gateway, url, 0, pieces())).headers["upload-offset"] == str(len(content))
    assert stored(gateway) == [content]
    assert max(gateway.backends.storage.faults.chunks) <= MIB


async def test_an_empty_patch_changes_nothing(gateway: Running) -> None:
    url = await create(gateway, 3)
    for _ in range(2):
        reply = await patch(gateway, url, 0)
        assert (reply.status_code, reply.headers["upload-offset"]) == (204, "0")


@pytest.mark.parametrize("headers", [{}, {"Upload-Concat": "partial"}], ids=["file", "partial"])
async def test_nothing_is_added_to_a_finished_upload(gateway: Running, headers: dict[str, str]) -> None:
    url = await create(gateway, 3, **headers)
    assert (await patch(gateway, url, 0, b"abc")).status_code == 204
    for offset, body, status in (
        (0, b"abc", 409),
        (2, b"", 409),
        (7, b"x", 409),
        (3, b"x", 413),
        (3, b"", 204),
    ):
        reply = await patch(gateway, url, offset, body)
        assert (reply.status_code, offset, body) == (status, offset, body)
        assert (await head(gateway, url)).headers["upload-offset"] == "3"


async def test_a_length_may_follow(gateway: Running) -> None:
    url = await create(gateway, None)
    asked = (await head(gateway, url)).headers
    assert (asked["upload-defer-length"], asked["upload-offset"]) == ("1", "0")
    assert "upload-length" not in asked
    await patch(gateway, url, 0, b"ab")
    assert (await patch(gateway, url, 2, b"c", **{"Upload-Length": "4"})).headers["upload-offset"] == "3"
    asked = (await head(gateway, url)).headers
    assert (asked["upload-length"], "upload-defer-length" in asked) == ("4", False)
    assert (await patch(gateway, url, 3, b"d", **{"Upload-Length": "4"})).status_code == 204
    assert stored(gateway) == [b"abcd"]


async def test_a_length_in_an_empty_patch_finishes(gateway: Running) -> None:
    url = await create(gateway, None)
    await patch(gateway, url, 0, b"abc")
    assert stored(gateway) == []
    reply = await patch(gateway, url, 3, **{"Upload-Length": "3"})
    assert (reply.status_code, reply.headers["upload-offset"]) == (204, "3")
    assert stored(gateway) == [b"abc"]


async def test_a_length_can_not_change(gateway: Running) -> None:
    known, deferred = await create(gateway, 5), await create(gateway, None)
    await patch(gateway, deferred, 0, b"ab", **{"Upload-Length": "5"})
    for url, offset in ((known, 0), (deferred, 2)):
        for length in ("6", "1", "x"):
            reply = await patch(gateway, url, offset, b"", **{"Upload-Length": length})
            assert 400 <= reply.status_code < 500
        assert (await head(gateway, url)).headers["upload-length"] == "5"


async def test_with_a_wrong_offset_no_length_is_declared(gateway: Running) -> None:
    url = await create(gateway, None)
    assert (await patch(gateway, url, 7, b"", **{"Upload-Length": "7"})).status_code == 409
    assert "upload-length" not in (await head(gateway, url)).headers


def sums(data: bytes) -> dict[str, bytes]:
    return {
        "sha1": hashlib.sha1(data).digest(),
        "sha256": hashlib.sha256(data).digest(),
        "crc32c": google_crc32c.value(data).to_bytes(4, "big"),
    }


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "crc32c"])
async def test_checksums(gateway: Running, algorithm: str) -> None:
    url = await create(gateway, 3 * MIB)
    body = bytes(3 * MIB - 1) + b"x"
    for data, status, offset in ((body[1:], 460, "0"), (body, 204, str(3 * MIB))):
        stated = base64.b64encode(sums(data)[algorithm]).decode()
        reply = await patch(gateway, url, 0, body, **{"Upload-Checksum": f"{algorithm} {stated}"})
        assert reply.status_code == status
        assert (await head(gateway, url)).headers["upload-offset"] == offset
    assert stored(gateway) == [body]


@pytest.mark.parametrize("stated", ["md4 AAAA", "sha1", "sha1 AAAA", "sha1 !", "crc32c AAAAAAAA", ""])
async def test_checksums_that_can_not_be_verified_are_400(gateway: Running, stated: str) -> None:
    url = await create(gateway, 3)
    assert (await patch(gateway, url, 0, b"abc", **{"Upload-Checksum": stated})).status_code == 400
    assert (await head(gateway, url)).headers["upload-offset"] == "0"


@pytest.mark.parametrize("sent", [b"ab", b"abc"])
async def test_what_is_terminated_is_gone(gateway: Running, sent: bytes) -> None:
    url = await create(gateway, 3)
    await patch(gateway, url, 0, sent)
    assert (await gateway.client.delete(url, headers=TUS)).status_code == 204
    assert stored(gateway) == []
    assert (await gateway.client.delete(url, headers=TUS)).status_code == 404
    assert (await head(gateway, url)).status_code == 404
    assert (await patch(gateway, url, len(sent), b"c")).status_code == 404


async def test_the_body_of_a_refused_patch_does_not_hide_the_refusal(gateway: Running) -> None:
    url = await create(gateway, 64 * MIB)
    reply = await patch(gateway, url, 1, bytes(20 * MIB))
    assert reply.status_code == 409
