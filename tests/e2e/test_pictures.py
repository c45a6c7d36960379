"""A picture that claims too many pixels, or none, is refused by every way of uploading, and nothing is
stored.
"""

from __future__ import annotations

import base64
import struct
import uuid
from collections.abc import Callable
from typing import Any, Final

import grpc
import httpx
import pytest

from strongroom.errors import PictureRefused, from_rpc_error
from strongroom.metadata.v1.target_pb2 import (
    EventMediaTarget,
    FileTarget,
    ProfilePictureTarget,
    UploadSpec,
    UploadTarget,
)
from strongroom.storage.v1.batch_pb2 import CopyFileRequest
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import UploadRequest
from tests.e2e import samples
from tests.e2e.belongings import TUS, upload
from tests.e2e.shapes import check_problem
from tests.integration.importing.origin import Origin, answer
from tests.stack import RunningStack

BOMB: Final = samples.png()[:16] + struct.pack(">II", 40_000, 40_000) + samples.png()[24:]
EVENT: Final = str(uuid.uuid4())
Send = Callable[[httpx.Client, bytes], httpx.Response]


def _tus(http: httpx.Client, body: bytes) -> httpx.Response:
    texts = {"family": "event_media", "event_id": EVENT, "filename": "a.png", "filetype": "image/png"}
    fields = ",".join(f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in texts.items())
    headers = {**TUS, "upload-length": str(len(body)), "upload-metadata": fields}
    return http.post(
        "/files", headers={**headers, "content-type": "application/offset+octet-stream"}, content=body
    )


def _direct(http: httpx.Client, body: bytes) -> httpx.Response:
    target = {"family": "event_media", "event_id": EVENT}
    begun = http.post(
        "/api/v1/uploads",
        json={"target": target, "filename": "a.png", "content_type": "image/png", "size": len(body)},
    )
    assert begun.status_code == 201, begun.text
    (part,) = begun.json()["parts"]
    sent = httpx.put(part["url"], content=body, headers=part.get("headers") or {}, trust_env=False)
    assert sent.status_code == 200, sent.text
    parts = [{"part_number": 1, "etag": sent.headers["etag"]}]
    return http.post(f"/api/v1/uploads/{begun.json()['upload_id']}/complete", json={"parts": parts})


DOORS: Final[dict[str, Send]] = {
    "event media": lambda http, body: http.post(f"/api/v1/events/{EVENT}/media", files=upload(body)),
    "profile picture": lambda http, body: http.put("/api/v1/users/me/profile-picture", files=upload(body)),
    "generation": lambda http, body: http.post(
        "/api/generations/upload", data={"type": "text-to-image"}, files=upload(body)
    ),
    "tus": _tus,
    "direct": _direct,
}


@pytest.mark.parametrize("door", DOORS)
def test_a_bomb(http: httpx.Client, door: str) -> None:
    problem = check_problem(DOORS[door](http, BOMB), 422, "PICTURE_REFUSED")
    assert "40000 x 40000" in problem["detail"]
    assert "100000000" in problem["detail"]
    assert _stored(http) == 0


@pytest.mark.parametrize("door", [door for door in DOORS if door != "direct"])
def test_an_empty_picture(http: httpx.Client, door: str) -> None:
    check_problem(DOORS[door](http, b""), 422, "PICTURE_REFUSED")
    assert _stored(http) == 0


@pytest.mark.parametrize("door", DOORS)
def test_a_picture(http: httpx.Client, door: str) -> None:
    reply = DOORS[door](http, samples.png())
    assert reply.status_code in {200, 201}, reply.text


def test_imports(http: httpx.Client, user: str, origin: Origin) -> None:
    item: dict[str, Any] = {"url": origin.script(user, answer(BOMB)), "type": "text-to-image"}
    check_problem(http.post("/api/generations", json=item), 422, "PICTURE_REFUSED")
    (failed,) = http.post("/api/generations/batch", json={"items": [item]}).json()["results"]
    assert failed["code"] == "PICTURE_REFUSED"
    assert _stored(http) == 0


def test_grpc(stack: RunningStack, user: str) -> None:
    bearer = (("authorization", f"Bearer {stack.token(user)}"),)
    plain = UploadSpec(target=UploadTarget(file=FileTarget()), filename="a.png", content_type="image/png")
    shown = UploadSpec(target=UploadTarget(profile_picture=ProfilePictureTarget()), filename="a.png")
    media = UploadSpec(target=UploadTarget(event_media=EventMediaTarget(event_id=EVENT)))
    with stack.channel("storage") as channel:
        stub = StorageServiceStub(channel)
        calls: list[Callable[[], object]] = []
        sent = [UploadRequest(spec=shown, data=BOMB, finish_write=True)]
        calls.append(lambda: stub.Upload(iter(sent), metadata=bearer))
        kept = stub.Upload(iter([UploadRequest(spec=plain, data=BOMB, finish_write=True)]), metadata=bearer)
        copy = CopyFileRequest(source_file_id=kept.file.id, spec=media)
        calls.append(lambda: stub.CopyFile(copy, metadata=bearer))
        for call in calls:
            with pytest.raises(grpc.RpcError) as refused:
                call()
            error = from_rpc_error(refused.value)
            assert isinstance(error, PictureRefused)
            assert error.metadata["limit"] == "100000000"


def _stored(http: httpx.Client) -> int:
    media = http.get(f"/api/v1/events/{EVENT}/media").json()["total"]
    made = http.get("/api/generations").json()["total"]
    picture = http.get("/api/v1/users/me/profile-picture").status_code == 200
    return int(media) + int(made) + int(picture)
