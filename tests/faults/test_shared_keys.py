"""Keys written by several attempts (paths, projects): requests that arrive twice, a bucket that stops keeping
versions, and changed bytes.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import pytest

from devstack import bucket
from strongroom.metadata.v1.target_pb2 import PathTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.download_pb2 import DownloadArchiveRequest, DownloadRequest
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import delete, new_upload, read
from tests.faults.projects import project_rpc
from tests.faults.rpc import channel, send, signed_in
from tests.faults.s3_faults import duplicate, edit_reply, flip_bit
from tests.faults.s3_proxy import Exchange, Rule
from tests.faults.s3_wire import Reply
from tests.stack import answers, until

FILE = "index.html"


def path_spec(request_id: str) -> UploadSpec:
    target = UploadTarget(path=PathTarget(path="a/b.bin"))
    return UploadSpec(target=target, filename="b.bin", request_id=request_id)


async def deliver_again(exchange: Exchange, rule: Rule) -> None:
    """Answer at once; deliver the request again after ``rule.release()``."""
    body = await exchange.read_body()
    await exchange.answer(await exchange.apply(body))
    rule.reached.set()
    await rule.released()
    rule.statuses.append((await exchange.apply(body)).status)


def _objects(cell: Cell, part: str) -> list[tuple[str, str, str]]:
    return [version for version in cell.checker.versions() if part in version[0]]


@pytest.mark.parametrize("family", ["paths", "projects"])
@pytest.mark.parametrize("when", ["before T4", "after T4"])
def test_what_was_delivered_twice_goes_with_its_file(cell: Cell, family: str, when: str) -> None:
    cell.run()
    owner = f"twice-{family}-{when[:2]}"
    fault = duplicate if when == "before T4" else deliver_again
    rule = cell.s3.arm("PutObject", fault, key=f"{family}/{owner}/")
    upload = new_upload(owner)
    if family == "paths":
        assert send(cell, upload, path_spec(upload.request_id)) is not None
    else:
        assert project_rpc.save(cell, owner, "site", {FILE: upload.body}) is not None
    if when == "after T4":
        rule.wait_reached()
        rule.release()
        rule.wait_applied()
    assert len(_objects(cell, owner)) == 2
    if family == "paths":
        assert read(cell, owner, upload.acked) == (200, upload.body)
        assert delete(cell, owner, upload.acked) == 200
    else:
        assert project_rpc.delete(cell, owner, "site") is grpc.StatusCode.OK
    until("no version is left", lambda: not _objects(cell, owner))
    cell.checker.wait_drained()


def _versioning(cell: Cell, status: str) -> None:
    bucket.client(cell.store).put_bucket_versioning(
        Bucket=cell.store.bucket, VersioningConfiguration={"Status": status}
    )


def test_a_bucket_that_stops_keeping_versions(cell: Cell) -> None:
    """Noticed in the first reply without a version, then before any byte is sent; acknowledged files stay."""
    cell.run()
    owner = "unversioned"
    old = new_upload(owner)
    assert send(cell, old, path_spec("old")) is not None
    _versioning(cell, "Suspended")
    try:
        late = Upload(owner, "late", new_upload("late").body)
        assert send(cell, late, path_spec("late")) is None
        assert late.replies == [grpc.StatusCode.FAILED_PRECONDITION.value[0]]
        puts = cell.s3.operations(f"paths/{owner}/").count("PutObject")
        others = [Upload(owner, f"other-{n}", new_upload(f"other-{n}").body) for n in range(15)]
        with ThreadPoolExecutor(5) as threads:
            sent = list(threads.map(lambda one: send(cell, one, path_spec(one.request_id)), others))
        assert sent == [None] * len(others)
        assert cell.s3.operations(f"paths/{owner}/").count("PutObject") == puts
        plain = new_upload("plain")
        assert send(cell, plain, UploadSpec(target=_plain(), filename="a.bin")) is not None
        until("readiness says it", lambda: not answers(f"{cell.url}/readyz"))
        ready = httpx.get(f"{cell.url}/readyz", trust_env=False).json()
        assert ready["checks"]["versioning"] == "storage_service says suspended"
        cell.checker.wait_drained()
        assert read(cell, owner, old.acked) == (200, old.body)
    finally:
        _versioning(cell, "Enabled")
    until("readiness sees it", lambda: answers(f"{cell.url}/readyz"))
    assert read(cell, owner, old.acked) == (200, old.body)
    new = Upload(owner, "new", new_upload("new").body)
    assert send(cell, new, path_spec("new")) is not None
    cell.checker.wait_drained()
    assert read(cell, owner, new.acked) == (200, new.body)


def _plain() -> UploadTarget:
    target = UploadTarget()
    target.file.SetInParent()
    return target


def _other_bytes(reply: Reply) -> Reply:
    """Another object's content of the same length, with the head of the requested one."""
    return Reply(reply.head, random.Random(len(reply.body)).randbytes(len(reply.body)))


def _other_object(reply: Reply) -> Reply:
    """A whole other object: its length, entity tag and content."""
    return Reply(reply.head.with_headers(etag=f'"{"0" * 32}"'), b"other content")


#: One bit in the last byte; the content, or the whole object, of another key.
CHANGES = {
    "bit": flip_bit(-1),
    "content": edit_reply(_other_bytes),
    "object": edit_reply(_other_object),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_bytes_are_no_complete_answer(cell: Cell, change: str) -> None:
    """On every route."""
    cell.run()
    owner = f"changed-{change}"
    upload = new_upload(owner)
    assert send(cell, upload, path_spec(owner)) is not None
    assert project_rpc.save(cell, owner, "site", {FILE: upload.body}) is not None
    with httpx.Client(base_url=cell.url, trust_env=False, verify=False, timeout=60) as http:
        http.headers["authorization"] = f"Bearer {cell.token(owner)}"
        doors = (
            f"/api/v1/s3/file/{upload.acked}",
            f"/api/projects/site/files/{FILE}",
            "/api/projects/site/archive",
            http.get("/api/projects/site/preview-url").json()["preview_url"],
        )
        whole = [http.get(door).status_code for door in doors]
        assert whole == [200] * len(doors)
        cell.s3.arm("GetObject", CHANGES[change], key=f"/{owner}/", nth=None)
        assert [door for door in doors if _is_whole(http, door)] == []
    _grpc_says_data_loss(cell, owner, upload.acked)
    assert "object_damaged" in cell.log("storage", 200)
    cell.s3.disarm()
    assert read(cell, owner, upload.acked) == (200, upload.body)


def _is_whole(http: httpx.Client, door: str) -> bool:
    """Whether a client considers the answer complete. Damage must show before the first byte, or abort the
    body.
    """
    try:
        reply = http.get(door)
    except httpx.RemoteProtocolError:
        return False
    assert reply.status_code == 200 or reply.json()["code"] == "OBJECT_LOST"
    return reply.status_code == 200


def _grpc_says_data_loss(cell: Cell, owner: str, key: str) -> None:
    with channel(cell) as connection:
        stub: Any = StorageServiceStub(connection)
        in_project = DownloadRequest()
        in_project.project_file.slug, in_project.project_file.path = "site", FILE
        archive = DownloadArchiveRequest()
        archive.project.slug = "site"
        for call, request in (
            (stub.Download, DownloadRequest(key=key)),
            (stub.Download, in_project),
            (stub.DownloadArchive, archive),
            (stub.DownloadArchive, DownloadArchiveRequest(key_prefix=f"paths/{owner}/")),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                list(call(request, metadata=signed_in(cell, owner), timeout=60))
            assert caught.value.code() is grpc.StatusCode.DATA_LOSS
