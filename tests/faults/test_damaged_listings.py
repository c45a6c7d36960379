"""Unreadable listings of S3, once and permanently, for one row: other rows are cleaned as usual, and a
cleaner without progress is visible.
"""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from tests.faults.cell import Cell
from tests.faults.checker import Upload
from tests.faults.client import LARGE, delete, new_upload, put
from tests.faults.s3_faults import edit_reply
from tests.faults.s3_proxy import Fault
from tests.faults.s3_wire import Reply
from tests.stack import answers, until

DAMAGES = {
    "bad date": (b"<LastModified>2", b"<LastModified>2x"),
    "missing version": (b"<VersionId>", b"<Verzion>"),
}


def damage(old: bytes, new: bytes, key: str = "") -> Fault:
    """In answers that name ``key``."""

    def edit(reply: Reply) -> Reply:
        hit = key.encode() in reply.body
        return Reply(reply.head, reply.body.replace(old, new)) if hit else reply

    return edit_reply(edit)


def stored(cell: Cell, owner: str, count: int) -> list[Upload]:
    uploads = [new_upload(owner) for _ in range(count)]
    for number, upload in enumerate(uploads):
        upload.request_id += f"-{number}"
        assert put(cell, upload).status == 201
    return uploads


@pytest.mark.parametrize("kind", DAMAGES)
def test_one_row_for_good(cell: Cell, kind: str) -> None:
    cell.run()
    owner = kind.replace(" ", "-")
    poison, *others = stored(cell, owner, 3)
    rule = cell.s3.arm("ListObjectVersions", damage(*DAMAGES[kind], poison.acked), nth=None)
    for upload in (poison, *others):
        assert delete(cell, owner, upload.acked) == 200
    rule.wait_reached()
    left = until(
        "the other rows are gone",
        lambda: [row.key for row in _rows(cell, owner)] == [poison.acked],
    )
    assert left
    assert answers(f"{cell.url}/readyz")
    cell.s3.disarm()
    cell.checker.wait_drained()
    assert cell.checker.problems() == []


def test_each_listing_once(cell: Cell) -> None:
    cell.run()
    large = new_upload("large", LARGE)
    rules = [
        cell.s3.arm("ListObjectVersions", damage(*DAMAGES["bad date"])),
        cell.s3.arm("ListMultipartUploads", damage(b"<IsTruncated>", b"<IsTruncated>x</IsTruncated><")),
    ]
    assert put(cell, large).status == 201
    assert delete(cell, large.owner, large.acked) == 200
    for rule in rules:
        rule.wait_reached()
    cell.checker.wait_drained()
    assert cell.checker.problems() == []


def test_a_cleaner_that_gets_nowhere_is_not_serving(cell: Cell) -> None:
    cell.run()
    cell.kill("metadata")
    until("the cleaner says so", lambda: _health(cell, "strongroom.cleaner") == "NOT_SERVING")
    assert _health(cell, "") == "SERVING"
    cell.run()
    until("the cleaner works again", lambda: _health(cell, "strongroom.cleaner") == "SERVING")


def _rows(cell: Cell, owner: str) -> list[Any]:
    return cell.checker.query("SELECT key FROM blobs WHERE owner_id = %s", owner)


def _health(cell: Cell, service: str) -> str:
    with grpc.insecure_channel(cell.storage_address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=60)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
