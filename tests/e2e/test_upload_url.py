"""Upload answers with a URL if requested."""

from __future__ import annotations

import urllib.request
import uuid
from collections.abc import Iterator

import pytest

from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import UploadRequest, UploadResponse
from tests.e2e import samples
from tests.stack import RunningStack

PATIENCE = 60.0


class Client:
    """Uploads the same small file repeatedly."""

    def __init__(self, stub: StorageServiceStub, token: str) -> None:
        self._stub = stub
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._spec = UploadSpec(
            target=UploadTarget(file=FileTarget()),
            filename="cat.png",
            content_type="image/png",
            request_id=uuid.uuid4().hex,
        )

    def upload(self, *, sign_url: bool) -> UploadResponse:
        message = UploadRequest(spec=self._spec, data=samples.png(), finish_write=True, sign_url=sign_url)
        response: UploadResponse = self._stub.Upload(
            iter([message]), timeout=PATIENCE, metadata=self._metadata
        )
        return response


@pytest.fixture
def client(stack: RunningStack) -> Iterator[Client]:
    with stack.channel("storage") as channel:
        yield Client(StorageServiceStub(channel), stack.token(f"alice-{uuid.uuid4()}"))


def test_the_url_reads_the_file(client: Client, stack: RunningStack) -> None:
    stored = client.upload(sign_url=True)
    assert stored.url.startswith("/l/")
    assert urllib.request.urlopen(stack.url + stored.url).read() == samples.png()


def test_no_url_unless_asked_for(client: Client) -> None:
    assert client.upload(sign_url=False).url == ""


def test_the_answer_to_a_repeat_has_none(client: Client) -> None:
    first = client.upload(sign_url=True)
    repeat = client.upload(sign_url=True)
    assert (repeat.file, repeat.url) == (first.file, "")
