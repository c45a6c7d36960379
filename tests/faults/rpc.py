"""gRPC clients of a cell: whole uploads, and streams that are abandoned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import grpc

from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import FileTarget, ProfilePictureTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.storage_service_pb2_grpc import StorageServiceStub
from strongroom.storage.v1.upload_pb2 import UploadRequest
from tests.stack import PATIENCE, until

if TYPE_CHECKING:  # cutting.py's programs, which die within a second, start without Alembic and boto3
    from tests.faults.cell import Cell
    from tests.faults.checker import Upload

CHUNK = 256 << 10
PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
)


def channel(cell: Cell) -> grpc.Channel:
    """A separate connection to storage_service; the caller closes it."""
    return grpc.insecure_channel(cell.storage_address, options=OPTIONS)


OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]


def signed_in(cell: Cell, owner: str) -> tuple[tuple[str, str]]:
    """Call metadata with the owner's token."""
    return (("authorization", f"Bearer {cell.token(owner)}"),)


def file_spec(request_id: str, size: int | None = None) -> UploadSpec:
    """A plain file."""
    spec = UploadSpec(target=UploadTarget(file=FileTarget()), filename="file.bin", request_id=request_id)
    if size is not None:
        spec.size_bytes = size
    return spec


def messages(spec: UploadSpec, body: bytes, *, finish: bool = True) -> Iterator[UploadRequest]:
    """The stream of one upload; without ``finish`` it ends like that of a dead client."""
    yield UploadRequest(spec=spec)
    for offset in range(0, len(body), CHUNK):
        yield UploadRequest(write_offset=offset, data=body[offset : offset + CHUNK])
    if finish:
        yield UploadRequest(write_offset=len(body), finish_write=True)


def picture_spec(request_id: str) -> UploadSpec:
    """The owner's profile picture, which replaces the earlier one."""
    target = UploadTarget(profile_picture=ProfilePictureTarget())
    return UploadSpec(target=target, filename="me.png", request_id=request_id)


def send(cell: Cell, upload: Upload, spec: UploadSpec) -> File | None:
    """Upload over gRPC once; None without a successful answer. Records the answer in ``upload``."""
    with channel(cell) as connection:
        try:
            reply = StorageServiceStub(connection).Upload(
                messages(spec, upload.body), timeout=PATIENCE, metadata=signed_in(cell, upload.owner)
            )
        except grpc.RpcError as error:
            upload.replies.append(error.code().value[0])
            return None
    upload.acked = reply.file.key
    return reply.file


def send_until_stored(cell: Cell, upload: Upload, spec: UploadSpec) -> File:
    """Repeat, as the answers demand, until the file is stored."""
    found = until(
        f"the repetition of {upload.request_id} succeeds", lambda: send(cell, upload, spec), pause=0.3
    )
    assert found is not None
    return found


def send_and_cancel(cell: Cell, upload: Upload, spec: UploadSpec, reached: Callable[[], None]) -> None:
    """Send the whole stream, and cancel the call when ``reached`` returns."""
    with channel(cell) as connection:
        call = StorageServiceStub(connection).Upload.future(
            messages(spec, upload.body), metadata=signed_in(cell, upload.owner)
        )
        reached()
        assert call.cancel(), "the upload had ended before"
