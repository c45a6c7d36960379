"""Resumable uploads by tus 1.0 under ``/files``. Headers of every answer:
``gateway.families.tus.protocol``.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from typing import Final

import structlog

from gateway.families.targets import upload_target, visibility_of
from gateway.families.tus import headers
from gateway.families.tus.errors import past_the_length, speaks_tus
from gateway.families.tus.metadata import Annotation, MetadataFields, parse_metadata
from gateway.families.tus.transfer import send_body
from gateway.http.exchange import idempotency_key
from gateway.http.reply import Header, Reply, header
from gateway.operations.addresses import public_origin
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.rpcs import (
    CANCEL_UPLOAD,
    CONCATENATE_UPLOADS,
    CREATE_UPLOAD,
    DECLARE_UPLOAD_LENGTH,
    GET_UPLOAD,
)
from gateway.upstream.uploads import GUESS
from gateway.upstream.wishes import retention_of, storage_class_of
from strongroom.errors import (
    MalformedRequest,
    OffsetOutOfRange,
    PermissionDenied,
    SizeMismatch,
    StrongroomError,
    UploadExpired,
    UploadLost,
    UploadNotFound,
)
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.storage.v1.upload_pb2 import (
    CancelUploadRequest,
    ConcatenateUploadsRequest,
    ConcatenateUploadsResponse,
    CreateUploadRequest,
    DeclareUploadLengthRequest,
    GetUploadRequest,
    UploadRequest,
    UploadResponse,
    UploadSession,
)
from strongroom.type.v1.checksums_pb2 import Checksums

ALL: Final = headers.PREFIX
ONE: Final = headers.UPLOAD_PATH
_ID: Final = re.compile(r"[A-Za-z0-9_.~-]{1,255}")
_NO_STORE: Final = header("cache-control", "no-store")

log = structlog.get_logger("gateway.tus")

routes = Routes("tus")
public_routes = Routes("tus", public=True)


@public_routes.add("OPTIONS", ALL)
async def tus_capabilities(call: Call) -> Reply:
    """The server's capabilities."""
    return _capabilities(call, "OPTIONS, POST")


@public_routes.add("OPTIONS", ONE)
async def tus_upload_capabilities(call: Call) -> Reply:
    """The same for an upload's address."""
    return _capabilities(call, "DELETE, HEAD, OPTIONS, PATCH, POST")


@routes.add("POST", ALL)
@speaks_tus
async def tus_create(call: Call) -> Reply:
    """Create an upload, optionally with its first bytes; or concatenate partial uploads."""
    concat = headers.upload_concat(call)
    if concat is not None and concat.partials is not None:
        return await _concatenate(call, concat.partials)
    with_body = headers.has_body(call)
    if with_body:
        headers.check_body_type(call)
    checksums = headers.upload_checksum(call)
    request = CreateUploadRequest(
        spec=_spec(call, partial=concat is not None),
        partial=concat is not None,
        annotation=Annotation(metadata=call.header("upload-metadata") or "").encode(),
    )
    length = headers.created_length(call)
    if length is not None:
        request.spec.size_bytes = length
    session = (await call.ask(CREATE_UPLOAD, request)).session
    if not with_body:
        return _created(call, session, session.persisted_size)
    response = await _first_bytes(call, session.upload_id, checksums)
    if response.HasField("file"):
        session.file.CopyFrom(response.file)
    session.expire_time.CopyFrom(response.expire_time)
    return _created(call, session, _offset(response))


@routes.add("HEAD", ONE)
@speaks_tus
async def tus_offset(call: Call) -> Reply:
    """The upload's offset. The client wants to continue, so an earlier writer is ended first."""
    session = await _session(call, preempt=True)
    length = session.file.size_bytes if session.HasField("file") else session.size_bytes
    known = session.HasField("file") or session.HasField("size_bytes")
    found = [
        _NO_STORE,
        header("upload-offset", length if session.finished and known else session.persisted_size),
        header("upload-length", length) if known else header("upload-defer-length", "1"),
        *_expires(session),
    ]
    annotation = Annotation.decode(session.annotation)
    if annotation.metadata:
        found.append(header("upload-metadata", annotation.metadata))
    if session.partial or annotation.concat:
        found.append(header("upload-concat", "partial" if session.partial else annotation.concat))
    return Reply(200, b"", found)


@routes.add("PATCH", ONE)
@speaks_tus
async def tus_append(call: Call) -> Reply:
    """Append the body at Upload-Offset; everything that arrives is kept."""
    upload_id = _upload_id(call)
    headers.check_body_type(call)
    offset, length = headers.upload_offset(call), headers.upload_length(call)
    first = UploadRequest(
        upload_id=upload_id,
        write_offset=offset,
        write_checksums=headers.upload_checksum(call),
        exact_offset=True,
    )
    if length is not None:
        await _declare(call, offset, length)
    try:
        response = await send_body(call, first)
    except (OffsetOutOfRange, SizeMismatch) as error:
        await _refuse_final(call)
        raise past_the_length(error) if isinstance(error, SizeMismatch) else error from None
    if response.HasField("file"):
        with contextlib.suppress(UploadNotFound):  # replaced or deleted since: it was stored
            await _refuse_final(call)
    found = [_NO_STORE, header("upload-offset", _offset(response))]
    if not response.HasField("file") and response.HasField("expire_time"):
        found.append(headers.expires(response.expire_time))
    return Reply(204, b"", found)


@routes.add("DELETE", ONE)
@speaks_tus
async def tus_terminate(call: Call) -> Reply:
    """Cancel the upload; the file of a finished one is deleted."""
    request = CancelUploadRequest(upload_id=_upload_id(call))
    await call.ask(CANCEL_UPLOAD, request)
    return Reply(204, b"", [_NO_STORE])


async def _first_bytes(call: Call, upload_id: str, checksums: Checksums | None) -> UploadResponse:
    """Creation with upload. The offset is not exact: a repeat with the same Idempotency-Key sends the same
    bytes again.

    If the first bytes are refused for good, the upload is cancelled: its client never learns its address.
    """
    try:
        first = UploadRequest(upload_id=upload_id, write_checksums=checksums)
        return await send_body(call, first)
    except StrongroomError as error:
        if 400 <= error.http_status < 500 and error.http_status != 409 and not idempotency_key(call):
            await _give_up(call, upload_id)
        raise past_the_length(error) if isinstance(error, SizeMismatch) else error from None


async def _give_up(call: Call, upload_id: str) -> None:
    try:
        await call.ask(CANCEL_UPLOAD, CancelUploadRequest(upload_id=upload_id))
    except (UploadLost, UploadNotFound, UploadExpired) as error:
        log.debug("refused bytes had ended the upload", upload_id=upload_id, code=error.reason_name)


async def _concatenate(call: Call, partials: Sequence[str]) -> Reply:
    if call.header("upload-length") is not None or call.header("upload-defer-length") is not None:
        raise MalformedRequest(
            "A final upload is as long as its parts together; send no Upload-Length with it."
        )
    if headers.has_body(call):
        raise MalformedRequest("A final upload takes no bytes of its own.")
    annotation = Annotation(call.header("upload-metadata") or "", call.header("upload-concat") or "")
    request = ConcatenateUploadsRequest(
        spec=_spec(call, partial=False), upload_ids=partials, annotation=annotation.encode()
    )
    response = await _joined(call, request)
    response.session.file.CopyFrom(response.file)
    return _created(call, response.session, response.file.size_bytes)


async def _joined(call: Call, request: ConcatenateUploadsRequest) -> ConcatenateUploadsResponse:
    """Concatenate. The same pieces with the same metadata are the same final upload, because tus clients
    repeat requests without an Idempotency-Key. If that upload was deleted, it is made again.
    """
    keyed, gone = bool(request.spec.request_id), ""
    while True:
        if not keyed:
            request.spec.request_id = _concatenation_id(request, gone)
        response = await call.ask(CONCATENATE_UPLOADS, request)
        if keyed or response.session.upload_id == gone:
            return response
        gone = response.session.upload_id
        try:
            await call.ask(GET_UPLOAD, GetUploadRequest(upload_id=gone))
        except UploadNotFound:
            continue
        return response


def _concatenation_id(request: ConcatenateUploadsRequest, gone: str) -> str:
    """The request id, unique per owner. ``gone``: an earlier final upload of these pieces that was
    deleted.
    """
    said = hashlib.sha256(request.annotation)
    for upload_id in (*request.upload_ids, gone):
        said.update(b"\0" + upload_id.encode())
    return f"tus-final-{said.hexdigest()}"


async def _declare(call: Call, offset: int, length: int) -> None:
    """Set the upload's length, unless the request's offset is wrong, because then it must change nothing."""
    session = await _session(call, preempt=True)
    if session.persisted_size != offset:
        raise _conflict(session.persisted_size)
    if Annotation.decode(session.annotation).concat:
        raise _final()
    request = DeclareUploadLengthRequest(upload_id=session.upload_id, size_bytes=length)
    await call.ask(DECLARE_UPLOAD_LENGTH, request)


async def _refuse_final(call: Call) -> None:
    """Refuse bytes for a concatenated upload (tus 1.0, concatenation).

    :raises PermissionDenied: the upload is concatenated.
    """
    session = await _session(call, preempt=False)
    if Annotation.decode(session.annotation).concat:
        raise _final()


def _conflict(persisted: int) -> OffsetOutOfRange:
    return OffsetOutOfRange(
        f"The upload's offset is {persisted}.", metadata={"persisted_size": str(persisted)}
    )


def _final() -> PermissionDenied:
    return PermissionDenied("A final upload is made of partial ones and takes no bytes itself.")


async def _session(call: Call, *, preempt: bool) -> UploadSession:
    request = GetUploadRequest(upload_id=_upload_id(call), preempt=preempt)
    return (await call.ask(GET_UPLOAD, request)).session


def _spec(call: Call, *, partial: bool) -> UploadSpec:
    """The spec from Upload-Metadata. A partial upload is no file yet: its final upload says what it
    becomes.
    """
    fields = MetadataFields(parse_metadata(call.header("upload-metadata")))
    spec = UploadSpec(
        target=GUESS if partial else upload_target(fields),
        request_id=idempotency_key(call),
        user_id=call.user_id(fields.get("user_id")),
    )
    if not partial:
        spec.visibility = visibility_of(fields)
        spec.storage_class = storage_class_of(fields)
        if (wish := retention_of(fields)) is not None:
            spec.retention.CopyFrom(wish)
        spec.filename = fields.get("filename") or fields.get("name") or ""
        spec.content_type = fields.get("content_type") or fields.get("filetype") or ""
    return spec


def _created(call: Call, session: UploadSession, offset: int) -> Reply:
    if not session.upload_id:
        raise UploadNotFound(
            "The upload of this Idempotency-Key is forgotten; use a new key for a new upload."
        )
    place = f"{call.scope.get('root_path', '')}{ALL}/{session.upload_id}"
    found = [
        header("location", public_origin(call) + place),
        header("upload-offset", offset),
        _NO_STORE,
        *_expires(session),
    ]
    return Reply(201, b"", found)


def _capabilities(call: Call, allow: str) -> Reply:
    largest = headers.largest(call.services.settings)
    return Reply(204, b"", [header("allow", allow), *headers.capabilities(largest)])


def _expires(session: UploadSession) -> list[Header]:
    """Only unfinished and partial uploads expire."""
    if session.HasField("file") or not session.HasField("expire_time"):
        return []
    return [headers.expires(session.expire_time)]


def _offset(response: UploadResponse) -> int:
    return response.file.size_bytes if response.HasField("file") else response.persisted_size


def _upload_id(call: Call) -> str:
    call.user_id()  # 403 for another user's user_id, as everywhere
    if not _ID.fullmatch(call.path["id"]):
        raise UploadNotFound("There is no such upload.")
    return call.path["id"]
