"""Direct-to-S3 uploads under /api/v1/uploads."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from strongroom.errors import ObjectStoreNoCredentials
from strongroom.metadata.v1.target_pb2 import FILE_FOLDER_AUDIO
from tests.integration.gateway.harness import Running, bearer

URL = "/api/v1/uploads"
MIB = 1024 * 1024


async def begin(gateway: Running, size: int = 20 * MIB, **more: Any) -> dict[str, Any]:
    reply = await gateway.client.post(
        URL, json={"target": {"family": "files"}, "filename": "a.bin", "size": size, **more}
    )
    assert reply.status_code == 201, reply.text
    body: dict[str, Any] = reply.json()
    assert reply.headers["location"] == f"{URL}/{body['upload_id']}"
    return body


async def test_from_begin_to_file(gateway: Running) -> None:
    upload = await begin(gateway)
    assert (upload["part_size"], upload["part_total"]) == (8 * MIB, 3)
    assert [(part["part_number"], part["offset"], part["size"]) for part in upload["parts"]] == [
        (1, 0, 8 * MIB),
        (2, 8 * MIB, 8 * MIB),
        (3, 16 * MIB, 4 * MIB),
    ]
    assert upload["expires_at"].endswith("Z")
    address = f"{URL}/{upload['upload_id']}"
    state = (await gateway.client.get(address)).json()
    assert (state["status"], state["size"], state["file"]) == ("open", 20 * MIB, None)
    parts = [{"part_number": part["part_number"], "etag": '"e"'} for part in upload["parts"]]
    early = await gateway.client.post(f"{address}/complete", json={"parts": parts[:2]})
    assert (early.status_code, early.json()["code"]) == (400, "UPLOAD_INCOMPLETE")
    done = await gateway.client.post(f"{address}/complete", json={"parts": parts})
    assert done.status_code == 200
    file = done.json()["file"]
    assert (file["size"], file["family"], file["filename"]) == (20 * MIB, "file", "a.bin")
    assert file["url"].endswith(f"/l/{file['id']}/x")
    state = (await gateway.client.get(address)).json()
    assert (state["status"], state["file"], state["expires_at"]) == ("finished", file, None)
    again = await gateway.client.post(f"{address}/complete", json={"parts": parts})
    assert again.json() == done.json()


async def test_more_parts_on_request(gateway: Running) -> None:
    upload = await begin(gateway, part_count=1)
    assert [part["part_number"] for part in upload["parts"]] == [1]
    crc = base64.b64encode(b"\0\0\0\x01").decode()
    reply = await gateway.client.post(
        f"{URL}/{upload['upload_id']}/parts",
        json={"first_part": 2, "part_count": 5, "part_checksums": {"3": crc}},
    )
    assert reply.status_code == 200
    parts = reply.json()["parts"]
    assert [part["part_number"] for part in parts] == [2, 3]
    assert parts[1]["headers"] == {"x-amz-checksum-crc32c": "00000001"}


async def test_the_target_is_that_of_the_form(gateway: Running) -> None:
    await begin(gateway, target={"family": "files", "folder": "audio", "class_id": "c1"})
    (session,) = gateway.backends.storage.sessions.values()
    assert session.message.spec.target.file.folder == FILE_FOLDER_AUDIO
    event = {"family": "event_media", "event_id": "0b7c2d1e-7f0f-4a8e-9a43-3f7f0f1f9b11", "tags": ["a", "b"]}
    await begin(gateway, target=event)
    *_, session = gateway.backends.storage.sessions.values()
    assert list(session.message.spec.target.event_media.tags) == ["a", "b"]
    await begin(gateway, target={"family": "temp", "ttl_seconds": 60})
    *_, session = gateway.backends.storage.sessions.values()
    assert session.message.spec.target.temp.ttl.seconds == 60


async def test_checksums_of_the_whole_go_along(gateway: Running) -> None:
    stated = {
        "sha256": base64.b64encode(bytes(32)).decode(),
        "crc32c": base64.b64encode(b"\0\0\1\0").decode(),
    }
    await begin(gateway, checksum=stated)
    (session,) = gateway.backends.storage.sessions.values()
    assert session.message.spec.checksums.sha256 == bytes(32)
    assert session.message.spec.checksums.crc32c == 256


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"target": {"family": "other"}}, "family"),
        ({"target": {"folder": "other"}}, "folder"),
        ({"size": -1}, "size"),
        ({"size": None}, "size"),
        ({"checksum": {"sha256": "AAAA"}}, "checksum.sha256"),
        ({"checksum": {"md4": "AAAA"}}, "checksum.md4"),
        ({"part_checksums": {"1": "AAAA"}}, "part_checksums.1"),
        ({"expires_in": 0}, "expires_in"),
        ({"expire_in": 60}, "expire_in"),
        ({"part_count": 0}, "part_count"),
    ],
)
async def test_broken_fields_are_named(gateway: Running, change: dict[str, Any], field: str) -> None:
    body = {"target": {"family": "files"}, "size": 1, **change}
    reply = await gateway.client.post(URL, json=body)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["field"] == field
    assert gateway.backends.storage.sessions == {}


async def test_cancelled_ones_are_gone(gateway: Running) -> None:
    address = f"{URL}/{(await begin(gateway))['upload_id']}"
    assert (await gateway.client.delete(address)).status_code == 204
    assert (await gateway.client.delete(address)).status_code == 404
    assert (await gateway.client.get(address)).status_code == 404
    assert (await gateway.client.post(f"{address}/complete", json={"parts": []})).status_code == 404
    assert (await gateway.client.post(f"{address}/parts", json={})).status_code == 404


async def test_those_of_others_are_not_there(gateway: Running) -> None:
    address = f"{URL}/{(await begin(gateway))['upload_id']}"
    for method in ("GET", "DELETE"):
        assert (await gateway.client.request(method, address, headers=bearer("bob"))).status_code == 404
    assert (await gateway.client.get(f"{URL}/a%20b")).status_code == 404
    assert (await gateway.client.get(address, params={"user_id": "bob"})).status_code == 403
    assert (await gateway.client.get(address)).status_code == 200


async def test_errors_are_problems(gateway: Running) -> None:
    gateway.backends.store.limit = 5
    big = await gateway.client.post(URL, json={"target": {}, "size": 6})
    assert (big.status_code, big.json()["metadata"]["limit"]) == (413, "5")
    assert (await gateway.client.post(URL, content=b"{}")).status_code == 415
    error = ObjectStoreNoCredentials("storage_service has no S3 credentials.")
    gateway.backends.storage.session_errors["SignUpload"] = error
    none = await gateway.client.post(URL, json={"target": {}, "size": 1})
    assert (none.status_code, none.json()["code"]) == (503, "OBJECT_STORE_NO_CREDENTIALS")
