"""Project calls to a cell under faults: the answer, or None without a successful one."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import grpc

from strongroom.metadata.v1.project_pb2 import ProjectVersion
from strongroom.storage.v1 import project_pb2 as pb
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from tests.faults.cell import Cell
from tests.faults.rpc import channel, signed_in

#: A large save takes half a minute if eight others use the processor.
SECONDS = 300.0


def save(
    cell: Cell, owner: str, slug: str, files: dict[str, bytes], request_id: str = ""
) -> ProjectVersion | None:
    """SaveProject."""
    return _version(cell, owner, "SaveProject", _messages(slug, files, request_id))


def cut_save(cell: Cell, owner: str, slug: str, files: dict[str, bytes]) -> None:
    """A SaveProject stream that ends before finish_write."""
    _version(cell, owner, "SaveProject", _messages(slug, files, "", finish=False))


def save_archive(
    cell: Cell, owner: str, slug: str, files: dict[str, bytes], request_id: str
) -> ProjectVersion | None:
    """SaveProjectArchive of a ZIP with these files."""
    return _version(cell, owner, "SaveProjectArchive", _archive_messages(slug, files, request_id))


def roll_back(cell: Cell, owner: str, slug: str, version: int, request_id: str) -> ProjectVersion | None:
    """RollbackProject."""
    request = pb.RollbackProjectRequest(slug=slug, version=version, request_id=request_id)
    return _version(cell, owner, "RollbackProject", request)


def delete(cell: Cell, owner: str, slug: str) -> grpc.StatusCode:
    """DeleteProject; its status."""
    try:
        _call(cell, owner, "DeleteProject", pb.DeleteProjectRequest(slug=slug))
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def _version(cell: Cell, owner: str, method: str, request: object) -> ProjectVersion | None:
    try:
        version: ProjectVersion = _call(cell, owner, method, request).version
    except grpc.RpcError:
        return None
    return version


def _call(cell: Cell, owner: str, method: str, request: object) -> Any:
    with channel(cell) as connection:
        stub = getattr(StorageServiceStub(connection), method)
        return stub(request, metadata=signed_in(cell, owner), timeout=SECONDS)


def _messages(
    slug: str, files: dict[str, bytes], request_id: str, *, finish: bool = True
) -> Iterator[pb.SaveProjectRequest]:
    yield pb.SaveProjectRequest(spec=pb.SaveProjectSpec(slug=slug, request_id=request_id))
    for path, body in files.items():
        yield pb.SaveProjectRequest(file=pb.SaveProjectFile(path=path, size_bytes=len(body)))
        if body:
            yield pb.SaveProjectRequest(data=body)
    if finish:
        yield pb.SaveProjectRequest(finish_write=True)


def _archive_messages(
    slug: str, files: dict[str, bytes], request_id: str
) -> Iterator[pb.SaveProjectArchiveRequest]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, body in files.items():
            archive.writestr(zipfile.ZipInfo(path), body)
    yield pb.SaveProjectArchiveRequest(spec=pb.SaveProjectSpec(slug=slug, request_id=request_id))
    yield pb.SaveProjectArchiveRequest(data=buffer.getvalue())
    yield pb.SaveProjectArchiveRequest(finish_write=True)
