"""Resumable uploads by tus 1.0."""

from __future__ import annotations

from gateway.http.problems import PROBLEM_JSON, Problem
from gateway.operations.docs import (
    IDEMPOTENCY_KEY,
    REFUSED_ERRORS,
    USER_ID,
    Doc,
    Schema,
    Success,
    in_path,
    request_header,
)

TITLE = "Resumable uploads (tus)"
TEXT = (
    "[tus 1.0](https://tus.io/protocols/resumable-upload): core, creation,"
    " creation-with-upload, creation-defer-length, expiration, checksum (sha1, sha256,"
    " crc32c), termination and concatenation. `Upload-Metadata` says where the file"
    " belongs: `family` (`files`, `generations`, `event_media`, `profile_picture`,"
    " `temp`, `path`), that family's form fields by name, `filename`, `filetype`. Offsets"
    " never go back, and all bytes that arrived before a connection broke are kept."
)
EXAMPLE_ID = "nGWk4s0aXh3y2m1Q9rT8vB7cZ6pL5dKf"


def _required(parameter: Schema) -> Schema:
    return {**parameter, "required": True}


RESUMABLE = _required(request_header("Tus-Resumable", "Always `1.0.0`; anything else is 412.", "1.0.0"))
ID = in_path(
    "id", "The upload's id: the last part of Location.", {"type": "string", "maxLength": 255}, EXAMPLE_ID
)
LENGTH = request_header("Upload-Length", "Size of the file in bytes.", "5368709120")
METADATA = request_header(
    "Upload-Metadata",
    "Comma-separated pairs of a key and a base64 value; up to 15 KiB, echoed by HEAD.",
    "filename Y2F0LnBuZw==,filetype aW1hZ2UvcG5n,family ZmlsZXM=",
)
CHECKSUM = request_header(
    "Upload-Checksum",
    "`sha1`, `sha256` or `crc32c`, and the base64 of this request body's checksum; on a"
    " mismatch (460) none of the body is stored.",
    "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
)
OFFSET = _required(
    request_header("Upload-Offset", "Offset of the body; must equal the upload's offset.", "0")
)
OVERRIDE = request_header(
    "X-HTTP-Method-Override",
    "`PATCH`, `DELETE` or `HEAD`, for clients that can't send these methods.",
    "PATCH",
)
BYTES: Schema = {
    "required": False,
    "description": "The bytes; the body may be chunked or empty.",
    "content": {
        "application/offset+octet-stream": {
            "schema": {"type": "string", "contentMediaType": "application/octet-stream"}
        }
    },
}
ANSWERS = {"Tus-Resumable": "Always `1.0.0`."}
OFFSET_ANSWER = {"Upload-Offset": "Bytes that are stored durably."}
EXPIRES = {"Upload-Expires": "When the upload is removed if nothing more arrives (HTTP date)."}
MISMATCH = Success(
    "The body does not match the Upload-Checksum; the offset is unchanged", {PROBLEM_JSON: Problem}
)
TRANSIENT = ("OBJECT_STORE_UNAVAILABLE", "OBJECT_STORE_THROTTLED", "OVERLOADED")
STORING = (
    *REFUSED_ERRORS,
    "PICTURE_REFUSED",
    "UNSUPPORTED_MEDIA_TYPE",
    "UPLOAD_SUPERSEDED",
    "PRECONDITION_FAILED",
)
GONE = ("UPLOAD_NOT_FOUND", "UPLOAD_EXPIRED", "UPLOAD_LOST", "PRECONDITION_FAILED")
CAPABILITIES = Success(
    "Get the tus version and extensions",
    headers={
        "Tus-Version": "`1.0.0`.",
        "Tus-Extension": "The extensions, comma-separated.",
        "Tus-Max-Size": "Size of the largest file that any family accepts, in bytes.",
        "Tus-Checksum-Algorithm": "Algorithms of Upload-Checksum.",
    },
)

DOCS = {
    "tus_capabilities": Doc("Get the tus version and extensions", {204: CAPABILITIES}),
    "tus_upload_capabilities": Doc(
        "Get the tus version and extensions", {204: CAPABILITIES}, parameters=(ID,)
    ),
    "tus_create": Doc(
        "Begin an upload, or concatenate partial ones",
        {
            201: Success(
                "Begun; finished, if of length 0 or concatenated",
                headers={"Location": "URL of the upload.", **OFFSET_ANSWER, **EXPIRES, **ANSWERS},
            ),
            460: MISMATCH,
        },
        errors=(
            *STORING,
            "IDEMPOTENCY_KEY_REUSED",
            "REQUEST_IN_PROGRESS",
            "UPLOAD_NOT_FOUND",
            "UPLOAD_INCOMPLETE",
            *TRANSIENT,
        ),
        parameters=(
            RESUMABLE,
            LENGTH,
            request_header("Upload-Defer-Length", "`1`: the length is not known yet.", "1"),
            METADATA,
            request_header(
                "Upload-Concat", "`partial`, or `final;` and the URLs of finished partial uploads.", "partial"
            ),
            CHECKSUM,
            IDEMPOTENCY_KEY,
            USER_ID,
        ),
        body=BYTES,
    ),
    "tus_offset": Doc(
        "Get an upload's offset",
        {
            200: Success(
                "Continue at Upload-Offset",
                headers={
                    **OFFSET_ANSWER,
                    "Upload-Length": "Size of the file, once known.",
                    "Upload-Defer-Length": "`1` until then.",
                    "Upload-Metadata": "As sent.",
                    "Upload-Concat": "As sent.",
                    **EXPIRES,
                    **ANSWERS,
                },
            )
        },
        description="Ends a PATCH that is still running; the bytes it has received count.",
        errors=(*GONE, *TRANSIENT),
        parameters=(RESUMABLE, ID, USER_ID),
    ),
    "tus_append": Doc(
        "Append bytes",
        {
            204: Success("The new offset", headers={**OFFSET_ANSWER, **EXPIRES, **ANSWERS}),
            460: MISMATCH,
        },
        description=(
            "Ends an older PATCH of the same upload. If the connection breaks, every byte that"
            " arrived is kept. Bytes beyond Upload-Length are 413. The last byte completes the"
            " upload."
        ),
        errors=(*STORING, *GONE, "OFFSET_OUT_OF_RANGE", "SIZE_MISMATCH", "PERMISSION_DENIED", *TRANSIENT),
        parameters=(RESUMABLE, ID, OFFSET, LENGTH, CHECKSUM, OVERRIDE, USER_ID),
        body=BYTES,
    ),
    "tus_terminate": Doc(
        "Cancel an upload",
        {204: Success("Removed, including the file of a finished upload", headers=ANSWERS)},
        errors=(*GONE, *TRANSIENT),
        parameters=(RESUMABLE, ID, OVERRIDE, USER_ID),
    ),
}
