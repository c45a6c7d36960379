"""``visibility`` of uploads without a form: imports, batches, direct and resumable uploads."""

from __future__ import annotations

import base64
from typing import Any, Final

import httpx
import pytest

from strongroom.metadata.v1.file_pb2 import VISIBILITY_PRIVATE, VISIBILITY_PUBLIC
from strongroom.metadata.v1.file_service_pb2 import GetFileRequest
from strongroom.metadata.v1.file_service_pb2_grpc import FileServiceStub
from tests.e2e import samples
from tests.e2e.belongings import TUS
from tests.e2e.shapes import check_problem
from tests.integration.importing.origin import Origin, answer
from tests.stack import RunningStack

STORED: Final = {None: VISIBILITY_PRIVATE, "private": VISIBILITY_PRIVATE, "public": VISIBILITY_PUBLIC}
WORDS: Final = pytest.mark.parametrize("word", STORED)


@pytest.fixture
def source(origin: Origin, user: str) -> str:
    """A provider's URL."""
    return origin.script(user, answer(samples.png()))


def visible(stack: RunningStack, user: str, key: str) -> int:
    with stack.channel("metadata") as channel:
        bearer = (("authorization", f"Bearer {stack.token(user)}"),)
        return FileServiceStub(channel).GetFile(GetFileRequest(key=key), metadata=bearer).file.visibility


def said(word: str | None) -> dict[str, str]:
    return {} if word is None else {"visibility": word}


@WORDS
def test_of_imports(
    stack: RunningStack, http: httpx.Client, user: str, source: str, word: str | None
) -> None:
    item: dict[str, Any] = {"url": source, "type": "text-to-image", **said(word)}
    one = http.post("/api/generations", json=item).json()["generation"]
    (two,) = http.post("/api/generations/batch", json={"items": [item]}).json()["results"]
    for made in (one, two["generation"]):
        assert visible(stack, user, made["s3_key"]) == STORED[word]


@WORDS
def test_of_direct_uploads(stack: RunningStack, http: httpx.Client, user: str, word: str | None) -> None:
    body = {"target": {"family": "files", **said(word)}, "filename": "a.txt", "size": 3}
    begun = http.post("/api/v1/uploads", json=body).json()
    (part,) = begun["parts"]
    sent = httpx.put(part["url"], content=b"abc", headers=part.get("headers") or {}, trust_env=False)
    assert sent.status_code == 200, sent.text
    done = http.post(
        f"/api/v1/uploads/{begun['upload_id']}/complete",
        json={"parts": [{"part_number": 1, "etag": sent.headers["etag"]}]},
    )
    assert visible(stack, user, done.json()["file"]["key"]) == STORED[word]


@WORDS
def test_of_tus_uploads(stack: RunningStack, http: httpx.Client, user: str, word: str | None) -> None:
    fields = ",".join(
        f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in said(word).items()
    )
    headers = TUS | {"upload-length": "3", "content-type": "application/offset+octet-stream"}
    reply = http.post(
        "/files", headers=headers | ({"upload-metadata": fields} if fields else {}), content=b"abc"
    )
    assert (reply.status_code, reply.headers["upload-offset"]) == (201, "3")
    (listed,) = http.get("/api/v1/s3/files").json()["files"]
    assert visible(stack, user, listed["key"]) == STORED[word]


def test_other_words(http: httpx.Client, source: str) -> None:
    wrong = {"visibility": "secret"}
    one = {"url": source, "type": "text-to-image", **wrong}
    check_problem(http.post("/api/generations", json=one), 422, "INVALID_FIELD")
    check_problem(http.post("/api/generations/batch", json={"items": [one]}), 422, "INVALID_FIELD")
    body = {"target": {"family": "files", **wrong}, "filename": "a.txt", "size": 3}
    check_problem(http.post("/api/v1/uploads", json=body), 422, "INVALID_FIELD")
    metadata = f"visibility {base64.b64encode(b'secret').decode()}"
    headers = TUS | {"upload-length": "3", "upload-metadata": metadata}
    check_problem(http.post("/files", headers=headers), 422, "INVALID_FIELD")
