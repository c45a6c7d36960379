"""Uploads directly to S3 under ``/api/v1/uploads``: bytes bypass the gateway and go to presigned URLs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.families.direct.shapes import (
    CompleteBody,
    CompletedUpload,
    DirectBody,
    DirectUpload,
    PartsBody,
    StoredFile,
    UploadState,
    WholeChecksums,
)
from gateway.families.targets import target_fields, upload_target, visibility_of
from gateway.http.digests import checksum_of
from gateway.http.exchange import idempotency_key
from gateway.http.json_body import read_json
from gateway.http.reply import JsonReply, Reply, header, json_reply
from gateway.http.shapes import rfc3339
from gateway.operations.addresses import urls_of
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.rpcs import CANCEL_UPLOAD, COMPLETE_UPLOAD, GET_UPLOAD, SIGN_UPLOAD
from gateway.upstream.wishes import retention_of, storage_class_of
from strongroom.errors import UploadNotFound
from strongroom.families import family_name
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.storage.v1.direct_pb2 import (
    CompletedPart,
    CompleteUploadRequest,
    SignUploadRequest,
    SignUploadResponse,
)
from strongroom.storage.v1.upload_pb2 import CancelUploadRequest, GetUploadRequest
from strongroom.type.v1.checksums_pb2 import Checksums

ALL: Final = "/api/v1/uploads"
ONE: Final = ALL + "/{id}"
#: Enough for ten thousand parts with their ETags.
COMPLETE_BYTES: Final = 4 * 1024 * 1024
_ID: Final = re.compile(r"[A-Za-z0-9_.~-]{1,255}")

routes = Routes("direct")


@routes.add("POST", ALL)
async def create_direct_upload(call: Call) -> JsonReply[DirectUpload]:
    """Begin an upload. Returns where each part goes."""
    body = await read_json(call, DirectBody)
    target = target_fields(body.target)
    spec = UploadSpec(
        target=upload_target(target),
        visibility=visibility_of(target),
        retention=retention_of(target),
        storage_class=storage_class_of(target),
        filename=body.filename,
        content_type=body.content_type,
        size_bytes=body.size,
        checksums=_checksums(body.checksum) if body.checksum else None,
        request_id=idempotency_key(call),
        user_id=call.user_id(body.user_id),
    )
    request = SignUploadRequest(
        spec=spec,
        part_count=min(body.part_count, 1000),
        expires_in_seconds=body.expires_in,
        part_crc32c=_part_checksums(body.part_checksums),
    )
    response = await call.ask(SIGN_UPLOAD, request)
    place = f"{call.scope.get('root_path', '')}{ALL}/{response.upload_id}"
    return json_reply(_shown(response), 201, [header("location", place)], secret=True)


@routes.add("POST", ONE + "/parts")
async def sign_direct_parts(call: Call) -> JsonReply[DirectUpload]:
    """URLs of more parts, or new URLs of the same."""
    call.user_id()
    upload_id = _upload_id(call)
    body = await read_json(call, PartsBody)
    request = SignUploadRequest(
        upload_id=upload_id,
        first_part=body.first_part,
        part_count=min(body.part_count, 1000),
        expires_in_seconds=body.expires_in,
        part_crc32c=_part_checksums(body.part_checksums),
    )
    return json_reply(_shown(await call.ask(SIGN_UPLOAD, request)), secret=True)


@routes.add("POST", ONE + "/complete")
async def complete_direct_upload(call: Call) -> JsonReply[CompletedUpload]:
    """Check with S3, and make the file visible."""
    call.user_id()
    upload_id = _upload_id(call)
    body = await read_json(call, CompleteBody, limit=COMPLETE_BYTES)
    parts = [CompletedPart(part_number=part.part_number, etag=part.etag) for part in body.parts]
    request = CompleteUploadRequest(upload_id=upload_id, parts=parts)
    response = await call.ask(COMPLETE_UPLOAD, request)
    return json_reply({"upload_id": upload_id, "file": await _file(call, response.file)})


@routes.add("GET", ONE)
async def get_upload(call: Call) -> JsonReply[UploadState]:
    """The progress of an upload, whatever its protocol."""
    call.user_id()
    request = GetUploadRequest(upload_id=_upload_id(call))
    session = (await call.ask(GET_UPLOAD, request)).session
    done = session.HasField("file")
    return json_reply(
        {
            "upload_id": session.upload_id,
            "status": "finished" if session.finished or done else "open",
            "size": session.size_bytes if session.HasField("size_bytes") else None,
            "received": session.persisted_size,
            "part_size": session.part_size_bytes,
            "created_at": rfc3339(session.create_time) if session.HasField("create_time") else None,
            "expires_at": None
            if done or not session.HasField("expire_time")
            else rfc3339(session.expire_time),
            "file": await _file(call, session.file) if done else None,
        }
    )


@routes.add("DELETE", ONE)
async def cancel_upload(call: Call) -> Reply:
    """Cancel an upload; the file of a finished one is deleted."""
    call.user_id()
    await call.ask(CANCEL_UPLOAD, CancelUploadRequest(upload_id=_upload_id(call)))
    return Reply(204)


def _upload_id(call: Call) -> str:
    if not _ID.fullmatch(call.path["id"]):
        raise UploadNotFound("There is no such upload.")
    return call.path["id"]


def _checksums(stated: WholeChecksums) -> Checksums:
    found = Checksums()
    for algorithm, text in stated.model_dump(exclude_none=True).items():
        value = checksum_of(f"checksum.{algorithm}", algorithm, text)
        if algorithm == "crc32c":
            found.crc32c = int.from_bytes(value, "big")
        else:
            setattr(found, algorithm, value)
    return found


def _part_checksums(stated: Mapping[int, str]) -> dict[int, int]:
    return {
        number: int.from_bytes(checksum_of(f"part_checksums.{number}", "crc32c", text), "big")
        for number, text in stated.items()
    }


def _shown(response: SignUploadResponse) -> DirectUpload:
    return {
        "upload_id": response.upload_id,
        "part_size": response.part_size_bytes,
        "part_total": response.part_total,
        "parts": [
            {
                "part_number": part.part_number,
                "url": part.url,
                "headers": dict(part.headers),
                "offset": part.offset,
                "size": part.size_bytes,
            }
            for part in response.parts
        ],
        "post": {"url": response.post_url, "fields": dict(response.post_fields)}
        if response.post_url
        else None,
        "expires_at": rfc3339(response.expire_time) if response.HasField("expire_time") else None,
    }


async def _file(call: Call, file: File) -> StoredFile:
    return {
        "id": file.id,
        "key": file.key,
        "family": family_name(file.family),
        "url": (await urls_of(call, [file])).get(file.id),
        "filename": file.filename,
        "size": file.size_bytes,
        "content_type": file.content_type,
        "etag": file.etag,
        "metadata": dict(file.metadata),
        "created_at": rfc3339(file.create_time),
    }
