"""Every way of uploading, as a function that sends one body and returns the answer to the sender."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import grpc
import httpx

from strongroom.errors import from_rpc_error
from strongroom.metadata.v1.target_pb2 import FileTarget, PathTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import UploadRequest
from tests.clamd import EICAR
from tests.e2e import samples
from tests.e2e.belongings import TUS, direct, upload
from tests.integration.importing.origin import Origin, answer
from tests.stack import RunningStack

#: Larger than a part: a multipart upload in S3.
LARGE: Final = 9 << 20


@dataclass(frozen=True, slots=True)
class Sender:
    """One user, and what sending needs."""

    stack: RunningStack
    http: httpx.Client
    name: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Told:
    """``status``: of HTTP; for gRPC its equivalent. ``code``: of a refusal, else empty."""

    status: int
    code: str = ""
    signature: str = ""
    retry_after: float = 0.0


def text(*, infected: bool) -> bytes:
    """A file without a specific type."""
    return b"a letter of " + uuid.uuid4().hex.encode() + b"\n" + (EICAR if infected else b"")


def large(*, infected: bool) -> bytes:
    """A text longer than a part, whose end may be infected."""
    return text(infected=False) + b"\n" * LARGE + text(infected=infected)


def picture(*, infected: bool) -> bytes:
    """A picture with appended bytes."""
    return samples.png() + text(infected=infected)


def told(reply: httpx.Response) -> Told:
    """The content of an answer."""
    if reply.is_success:
        return Told(reply.status_code)
    problem = reply.json()
    return Told(
        reply.status_code,
        problem["code"],
        problem.get("metadata", {}).get("signature", ""),
        float(reply.headers.get("retry-after", 0)),
    )


def _form(sender: Sender, body: bytes) -> Told:
    return told(sender.http.post("/api/v1/s3/upload", files=upload(body, "a.txt", "text/plain")))


def _late_fields(sender: Sender, body: bytes) -> Told:
    """The field with the target comes after the bytes."""
    files = {"file": ("a.txt", body, "text/plain"), "folder": (None, b"uploads", None)}
    return told(sender.http.post("/api/v1/s3/upload", files=files))


def _temp(sender: Sender, body: bytes) -> Told:
    return told(sender.http.post("/api/v1/temp", files=upload(body, "a.txt", "text/plain")))


def _generation(sender: Sender, body: bytes) -> Told:
    data = {"type": "text-to-image"}
    return told(sender.http.post("/api/generations/upload", data=data, files=upload(body)))


def _event_media(sender: Sender, body: bytes) -> Told:
    return told(sender.http.post(f"/api/v1/events/{uuid.uuid4()}/media", files=upload(body)))


def _profile_picture(sender: Sender, body: bytes) -> Told:
    return told(sender.http.put("/api/v1/users/me/profile-picture", files=upload(body)))


def _import(sender: Sender, body: bytes) -> Told:
    url = sender.origin.script(uuid.uuid4().hex, answer(body))
    return told(sender.http.post("/api/generations", json={"url": url, "type": "text-to-image"}))


def _drop(sender: Sender, body: bytes) -> Told:
    made = sender.http.post("/api/v1/shares", json={"drop": {"folder": "uploads"}})
    assert made.status_code == 201, made.text
    path = urlsplit(made.json()["url"]).path
    with httpx.Client(base_url=sender.stack.url, trust_env=False, verify=False, timeout=60) as guest:
        return told(guest.post(f"{path}/files", files=upload(body, "a.txt", "text/plain")))


def _grpc(target: UploadTarget) -> Callable[[Sender, bytes], Told]:
    def send(sender: Sender, body: bytes) -> Told:
        def messages() -> Iterator[UploadRequest]:
            yield UploadRequest(spec=UploadSpec(target=target, filename="a.txt"))
            for at in range(0, len(body), 1 << 20):
                yield UploadRequest(write_offset=at, data=body[at : at + (1 << 20)])
            yield UploadRequest(write_offset=len(body), finish_write=True)

        token = sender.stack.token(sender.name)
        with sender.stack.channel("storage") as channel:
            stub = StorageServiceStub(channel)
            try:
                stub.Upload(messages(), metadata=(("authorization", f"Bearer {token}"),))
            except grpc.RpcError as raised:
                error = from_rpc_error(raised)
                signature = error.metadata.get("signature", "")
                return Told(error.http_status, error.reason_name, signature, error.retry_after or 0.0)
        return Told(201)

    return send


Send = Callable[[Sender, bytes], Told]
Body = Callable[..., bytes]

ONE_SHOT: Final[dict[str, tuple[Send, Body]]] = {
    "form": (_form, text),
    "large form": (_form, large),
    "late fields": (_late_fields, text),
    "temp": (_temp, text),
    "generation": (_generation, picture),
    "event media": (_event_media, picture),
    "profile picture": (_profile_picture, picture),
    "import": (_import, picture),
    "drop": (_drop, text),
    "grpc": (_grpc(UploadTarget(file=FileTarget())), text),
    "grpc large": (_grpc(UploadTarget(file=FileTarget())), large),
    "grpc path": (_grpc(UploadTarget(path=PathTarget(path="letters/a.txt"))), text),
}


def _tus(pieces: int) -> Send:
    def send(sender: Sender, body: bytes) -> Told:
        size = {"upload-length": str(len(body)), "upload-metadata": "filename YS50eHQ="}
        made = sender.http.post("/files", headers=TUS | size)
        assert made.status_code == 201, made.text
        url, step, at = made.headers["location"], -(-len(body) // pieces), 0
        while at < len(body):
            headers = TUS | {"upload-offset": str(at), "content-type": "application/offset+octet-stream"}
            reply = sender.http.patch(url, headers=headers, content=body[at : at + step])
            if not reply.is_success:
                sender.http.delete(url, headers=TUS)
                return told(reply)
            at = int(reply.headers["upload-offset"])
        return Told(201)

    return send


def _tus_joined(sender: Sender, body: bytes) -> Told:
    """Two parallel pieces, and their concatenation."""
    urls, half = list[str](), len(body) // 2
    for piece in (body[:half], body[half:]):
        headers = {"upload-length": str(len(piece)), "upload-concat": "partial"}
        headers["content-type"] = "application/offset+octet-stream"
        made = sender.http.post("/files", headers=TUS | headers, content=piece)
        assert made.status_code == 201, made.text
        urls.append(urlsplit(made.headers["location"]).path)
    joined = {"upload-concat": f"final;{' '.join(urls)}", "upload-metadata": "filename YS50eHQ="}
    reply = sender.http.post("/files", headers=TUS | joined)
    for url in urls:
        sender.http.delete(url, headers=TUS)
    return told(reply)


def begin_direct(sender: Sender, body: bytes) -> str:
    """Everything except completion: the bytes go directly to S3. Returns the upload's path."""
    made = sender.http.post("/api/v1/uploads", json=direct() | {"size": len(body)})
    assert made.status_code == 201, made.text
    begun = made.json()
    with httpx.Client(trust_env=False, verify=False, timeout=60) as plain:
        for part in begun["parts"]:
            piece = body[part["offset"] : part["offset"] + part["size"]]
            plain.put(part["url"], headers=part["headers"], content=piece).raise_for_status()
    return f"/api/v1/uploads/{begun['upload_id']}"


def _direct(sender: Sender, body: bytes) -> Told:
    path = begin_direct(sender, body)
    reply = sender.http.post(f"{path}/complete", json={"parts": []})
    if not reply.is_success:
        sender.http.delete(path)
    return told(reply)


def _project(sender: Sender, body: bytes) -> Told:
    files = [{"path": "index.html", "content": "<p>hello"}, {"path": "a.txt", "content": body.decode()}]
    return told(sender.http.post("/api/projects/save", json={"name": "n", "slug": "site", "files": files}))


def _zip(sender: Sender, body: bytes) -> Told:
    archive = samples.zip_of({"index.html": b"<p>hello", "deep/a.txt": body})
    headers = {"content-type": "application/zip"}
    return told(sender.http.post("/api/projects/site/archive", content=archive, headers=headers))


SESSIONS: Final[dict[str, tuple[Send, Body]]] = {
    "tus": (_tus(1), text),
    "tus in pieces": (_tus(3), text),
    "large tus": (_tus(1), large),
    "large tus in pieces": (_tus(3), large),
    "joined tus": (_tus_joined, text),
    "direct": (_direct, text),
    "large direct": (_direct, large),
}
PROJECTS: Final[dict[str, tuple[Send, Body]]] = {"project": (_project, text), "zip": (_zip, text)}
