"""Pictures, videos and sounds show their facts, however uploaded; hostile ones show few."""

from __future__ import annotations

import base64
import json
import struct
import uuid
import zlib
from collections.abc import Callable
from typing import Any, Final

import httpx
import pytest

from strongroom import Client
from tests.e2e import camera, samples
from tests.e2e.belongings import TUS, upload
from tests.integration.importing.origin import Origin, answer
from tests.integration.sdk.shell import Shell
from tests.stack import RunningStack
from tests.stack import until as stack_until

TURNED: Final = {"width": 60, "height": 40, "orientation": 6, "taken_at": "2026-01-02T03:04:05"}
Place = Callable[[httpx.Client], dict[str, Any]]


def until(http: httpx.Client, path: str, pick: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """The row once the file was read."""

    def read() -> dict[str, Any] | None:
        response = http.get(path)
        assert response.status_code == 200, response.text
        row = pick(response.json())
        return row if "width" in row or "duration" in row else None

    row = stack_until(f"{path} was read", read)
    assert row is not None
    return row


def _event_media(http: httpx.Client, body: bytes, name: str, kind: str) -> dict[str, Any]:
    event = uuid.uuid4()
    stored = http.post(f"/api/v1/events/{event}/media", files=upload(body, name, kind))
    assert stored.status_code == 201, stored.text
    return until(http, f"/api/v1/events/{event}/media", lambda page: page["items"][0])


def _file(http: httpx.Client, body: bytes, name: str, kind: str) -> dict[str, Any]:
    stored = http.post("/api/v1/s3/upload", files=upload(body, name, kind))
    assert stored.status_code in {200, 201}, stored.text
    key = stored.json()["key"]
    listed = until(
        http, "/api/v1/s3/files", lambda page: next(row for row in page["files"] if row["key"] == key)
    )
    assert until(http, f"/api/v1/s3/file/{key}/metadata", lambda row: row)["width"] == listed["width"]
    return listed


def _generation(http: httpx.Client, body: bytes, name: str, kind: str) -> dict[str, Any]:
    stored = http.post(
        "/api/generations/upload", data={"type": "text-to-image"}, files=upload(body, name, kind)
    )
    assert stored.status_code in {200, 201}, stored.text
    return until(http, "/api/generations", lambda page: page["generations"][0])


def _library(http: httpx.Client, body: bytes, name: str, kind: str) -> dict[str, Any]:
    stored = http.post("/api/v1/temp", files=upload(body, name, kind))
    assert stored.status_code == 201, stored.text
    return until(http, f"/api/v1/files/{stored.json()['id']}", lambda row: row)


def _tus(http: httpx.Client, body: bytes, name: str, kind: str) -> dict[str, Any]:
    event = str(uuid.uuid4())
    texts = {"family": "event_media", "event_id": event, "filename": name, "filetype": kind}
    fields = ",".join(f"{field} {base64.b64encode(text.encode()).decode()}" for field, text in texts.items())
    headers = {**TUS, "upload-length": str(len(body)), "upload-metadata": fields}
    headers["content-type"] = "application/offset+octet-stream"
    assert http.post("/files", headers=headers, content=body).status_code == 201
    return until(http, f"/api/v1/events/{event}/media", lambda page: page["items"][0])


def _direct(http: httpx.Client, body: bytes, name: str, kind: str) -> dict[str, Any]:
    event = str(uuid.uuid4())
    target = {"family": "event_media", "event_id": event}
    begun = http.post(
        "/api/v1/uploads",
        json={"target": target, "filename": name, "content_type": kind, "size": len(body)},
    ).json()
    (part,) = begun["parts"]
    sent = httpx.put(part["url"], content=body, headers=part.get("headers") or {}, trust_env=False)
    done = http.post(
        f"/api/v1/uploads/{begun['upload_id']}/complete",
        json={"parts": [{"part_number": 1, "etag": sent.headers["etag"]}]},
    )
    assert done.status_code in {200, 201}, done.text
    return until(http, f"/api/v1/events/{event}/media", lambda page: page["items"][0])


DOORS: Final = [_event_media, _file, _generation, _library, _tus, _direct]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_every_door(http: httpx.Client, door: Callable[..., dict[str, Any]]) -> None:
    row = door(http, camera.picture("JPEG"), "a.jpg", "image/jpeg")
    assert {name: row[name] for name in TURNED} == TURNED
    assert 20 <= len(base64.b64decode(row["thumbhash"])) <= 30


def test_an_import(http: httpx.Client, origin: Origin) -> None:
    url = origin.script("webp", answer(camera.picture("WEBP"), kind="image/webp"))
    stored = http.post("/api/generations", json={"url": url, "type": "text-to-image"})
    assert stored.status_code in {200, 201}, stored.text
    row = until(http, "/api/generations", lambda page: page["generations"][0])
    assert (row["width"], row["height"]) == (60, 40)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF"])
def test_kinds(http: httpx.Client, kind: str) -> None:
    row = _file(http, camera.picture(kind), f"a.{kind.lower()}", f"image/{kind.lower()}")
    assert (row["width"], row["height"]) == (60, 40)
    assert row["thumbhash"]


def test_a_video_and_a_sound(http: httpx.Client) -> None:
    row = _event_media(http, camera.video(), "a.mp4", "video/mp4")
    assert (row["width"], row["height"], row["orientation"], row["duration"]) == (640, 360, 6, 12.0)
    assert row["taken_at"] == "2026-01-02T03:04:05+00:00"
    assert _event_media(http, samples.wav(2.0), "a.wav", "audio/wav")["duration"] == 2.0


def _bomb() -> bytes:
    """A PNG whose many pixels compress to almost nothing."""
    width, height = 9000, 9000
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + 3 * width)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _endless_gif() -> bytes:
    """A GIF that repeats one picture."""
    whole = camera.picture("GIF", (8, 8))
    head, frame = whole[: whole.index(b"\x2c", 13)], whole[whole.index(b"\x2c", 13) : -1]
    return head + frame * 3000


HOSTILE: Final = {
    "a bomb": (_bomb, "image/png", (9000, 9000)),
    "65535 a side": (
        lambda: samples.png()[:16] + struct.pack(">II", 65535, 65535) + samples.png()[24:],
        "image/png",
        (65535, 65535),
    ),
    "cut off": (lambda: camera.picture("JPEG", (600, 400))[:2000], "image/jpeg", (600, 400)),
    "an endless gif": (_endless_gif, "image/gif", (8, 8)),
    "a wrong sum": (lambda: samples.png()[:-20] + bytes(20), "image/png", (8, 8)),
}
"""How to make it (a bomb takes a second), its kind, and its dimensions."""


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_pictures_harm_nobody(http: httpx.Client, case: str) -> None:
    make, kind, size = HOSTILE[case]
    row = _file(http, make(), "a.bin", kind)
    assert (row["width"], row["height"]) == size
    after = _file(http, camera.picture("JPEG"), "b.jpg", "image/jpeg")
    assert after["width"] == 60


def test_a_replaced_picture_is_read_again(stack: RunningStack, user: str) -> None:
    addresses = (stack.state["storage"]["address"], stack.state["metadata"]["address"])
    with Client(*addresses, token=stack.token(user), tls=False) as client:
        for size in ((60, 40), (30, 20)):
            stored = client.files.upload_file(camera.picture("PNG", size), "a.png")
            media = stack_until("the picture was read", lambda: client.get("paths/" + user + "/a.png").media)
            assert media is not None
            assert (media.width, media.height, media.has_location) == (*size, True)
            assert media.thumbhash
            edited = client.update(stored.id, metadata={"a": "b"})
            assert edited.media == media


def test_the_command_line(stack: RunningStack, http: httpx.Client, user: str) -> None:
    row = _library(http, camera.picture("JPEG"), "a.jpg", "image/jpeg")
    shell = Shell(
        {
            "STRONGROOM_STORAGE_ADDRESS": stack.state["storage"]["address"],
            "STRONGROOM_METADATA_ADDRESS": stack.state["metadata"]["address"],
            "STRONGROOM_TOKEN": stack.token(user),
        }
    )
    media = json.loads(shell("--json", "stat", row["id"]).out)["media"]
    assert (media["width"], media["thumbhash"]) == (60, row["thumbhash"])
    assert "width=60" in shell("stat", row["id"]).out
