"""Erasures whose process dies: at the begin, in a step, at the end; before and after each commit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import grpc
import pytest
from google.protobuf.message import Message

from servicekit.failpoints import registered
from strongroom.metadata.v1.admin_service_pb2 import EraseUserRequest, Erasure, GetErasureRequest
from strongroom.metadata.v1.admin_service_pb2_grpc import AdminServiceStub
from tests.faults.cell import Cell
from tests.faults.client import new_upload, put, read
from tests.faults.rpc import OPTIONS
from tests.stack import until

POINTS: Final = tuple(
    f"metadata.erase.{step}.{when}"
    for step in ("begin", "step", "finish")
    for when in ("before_commit", "after_commit")
)


@pytest.fixture(scope="module")
def neighbour(cell: Cell) -> Iterator[None]:
    """Another user, whose file must stay unchanged."""
    upload = new_upload("neighbour")
    cell.run()
    assert put(cell, upload).status == 201
    yield
    assert read(cell, upload.owner, upload.acked) == (200, upload.body)


def test_these_are_all() -> None:
    import metadata_service.erasing.erasures  # noqa: F401 - registers the failpoints

    assert {name for name in registered() if name.startswith("metadata.erase.")} == set(POINTS)


def ask(cell: Cell, method: str, request: Message) -> Any:
    """AdminService's answer to an admin; None: it failed, or its process died."""
    metadata = (("authorization", f"Bearer {cell.token('root', roles=['admin'])}"),)
    with grpc.insecure_channel(cell.address("metadata"), options=OPTIONS) as channel:
        try:
            return getattr(AdminServiceStub(channel), method)(request, metadata=metadata, timeout=60)
        except grpc.RpcError:
            return None


def ended(cell: Cell, owner: str) -> Erasure | None:
    """The owner's last erasure, once it has ended."""
    found = ask(cell, "GetErasure", GetErasureRequest(user_id=owner))
    return found.erasure if found is not None and found.erasure.HasField("end_time") else None


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.usefixtures("neighbour")
def test_it_goes_on_where_it_was(cell: Cell, point: str) -> None:
    upload = new_upload(point.replace(".", "-"))
    cell.run()
    assert put(cell, upload).status == 201
    cell.run(metadata=f"{point}=kill")
    ask(cell, "EraseUser", EraseUserRequest(user_id=upload.owner))
    cell.wait_killed("metadata")
    cell.run()
    if point == "metadata.erase.begin.before_commit":
        assert read(cell, upload.owner, upload.acked) == (200, upload.body)
        assert ask(cell, "EraseUser", EraseUserRequest(user_id=upload.owner)).begun
    until("the erasure is over", lambda: ended(cell, upload.owner), 60)
    found = ended(cell, upload.owner)
    assert found is not None
    assert (found.counts.files, found.counts.objects) == (1, 1)
    assert cell.checker.query("SELECT 1 FROM blobs WHERE owner_id = %s", upload.owner) == []
    assert cell.checker.content(upload.acked, "") is None
    acts = cell.checker.query("SELECT outcome FROM admin_acts ORDER BY id DESC LIMIT 2")
    assert [act.outcome for act in acts] == ["finished", "begun"]
