"""Resumable uploads by tus 1.0."""

from __future__ import annotations

from gateway.http.problem import Problem
from gateway.http.problems import PROBLEM_JSON
from gateway.operations.docs import IDEMPOTENCY_KEY, USER_ID, Doc, Schema, Success, in_path, request_header

TITLE = "Resumable uploads (tus)"
TEXT = (
    "[tus 1.0](https://tus.io/protocols/resumable-upload): core, creation, creation-with-upload,"
    " creation-defer-length, expiration, checksum (sha1, sha256, crc32c), termination and concatenation."
    " Where a"
    " file belongs travels in `Upload-Metadata`: `family` (`files`, `generations`, `event_media`,"
    " `profile_picture`, `temp`, `path`) and that family's fields by the names of its form, `filename`,"
    " `filetype`."
    " Offsets never go back, and whatever arrived before a connection broke is kept."
)
EXAMPLE_ID = "nGWk4s0aXh3y2m1Q9rT8vB7cZ6pL5dKf"


def _required(parameter: Schema) -> Schema:
    return {**parameter, "required": True}


RESUMABLE = _required(request_header("Tus-Resumable", "Always `1.0.0`; anything else is 412.", "1.0.0"))
ID = in_path("id", "Names the upload: the end of Location.", {"type": "string", "maxLength": 255}, EXAMPLE_ID)
LENGTH = request_header("Upload-Length", "Size of the file in bytes.", "5368709120")
METADATA = request_header(
    "Upload-Metadata",
    "Comma-separated pairs of a key and a base64 value; up to 15 KiB, echoed by HEAD.",
    "filename Y2F0LnBuZw==,filetype aW1hZ2UvcG5n,family ZmlsZXM=",
)
CHECKSUM = request_header(
    "Upload-Checksum",
    "`sha1`, `sha256` or `crc32c` of this request's body and its base64; a mismatch (460) keeps nothing"
    " of it.",
    "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
)
OFFSET = _required(
    request_header("Upload-Offset", "Where the body begins; must be where the upload stands.", "0")
)
OVERRIDE = request_header(
    "X-HTTP-Method-Override", "`PATCH`, `DELETE` or `HEAD`, for clients that can't send them.", "PATCH"
)
BYTES: Schema = {
    "required": False,
    "description": "The bytes; chunked bodies and empty ones are fine.",
    "content": {
        "application/offset+octet-stream": {
            "schema": {"type": "string", "contentMediaType": "application/octet-stream"}
        }
    },
}
ANSWERS = {"Tus-Resumable": "Always `1.0.0`."}
OFFSET_ANSWER = {"Upload-Offset": "Bytes that survive anything."}
EXPIRES = {"Upload-Expires": "When the upload is removed if it lies still (HTTP date)."}
MISMATCH = Success(
    "The body does not have the Upload-Checksum; the offset is unchanged", {PROBLEM_JSON: Problem}
)
TRANSIENT = ("OBJECT_STORE_UNAVAILABLE", "OBJECT_STORE_THROTTLED", "OVERLOADED")
STORING = (
    "SIZE_LIMIT_EXCEEDED",
    "QUOTA_EXCEEDED",
    "FILE_COUNT_EXCEEDED",
    "CONTENT_TYPE_MISMATCH",
    "CONTENT_TYPE_NOT_ALLOWED",
    "CONTENT_INFECTED",
    "SCANNER_UNAVAILABLE",
    "PICTURE_REFUSED",
    "UNSUPPORTED_MEDIA_TYPE",
    "UPLOAD_SUPERSEDED",
    "PRECONDITION_FAILED",
)
GONE = ("UPLOAD_NOT_FOUND", "UPLOAD_EXPIRED", "UPLOAD_LOST", "PRECONDITION_FAILED")
CAPABILITIES = Success(
    "What is spoken",
    headers={
        "Tus-Version": "`1.0.0`.",
        "Tus-Extension": "The extensions, comma-separated.",
        "Tus-Max-Size": "Bytes of the largest file that any family takes.",
        "Tus-Checksum-Algorithm": "Algorithms of Upload-Checksum.",
    },
)

DOCS = {
    "tus_capabilities": Doc("What is spoken", {204: CAPABILITIES}),
    "tus_upload_capabilities": Doc("What is spoken", {204: CAPABILITIES}, parameters=(ID,)),
    "tus_create": Doc(
        "Begin an upload, or join partial ones",
        {
            201: Success(
                "Begun; of length 0, or joined: finished",
                headers={"Location": "Address of the upload.", **OFFSET_ANSWER, **EXPIRES, **ANSWERS},
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
        "Where an upload stands",
        {
            200: Success(
                "Go on from Upload-Offset",
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
        description="A PATCH that may still be running is ended first, and what it received counts.",
        errors=(*GONE, *TRANSIENT),
        parameters=(RESUMABLE, ID, USER_ID),
    ),
    "tus_append": Doc(
        "Append bytes",
        {
            204: Success("Where the upload stands now", headers={**OFFSET_ANSWER, **EXPIRES, **ANSWERS}),
            460: MISMATCH,
        },
        description=(
            "Ends an older PATCH of the same upload. When the connection breaks, every byte that arrived"
            " is kept."
            " Bytes past Upload-Length are 413. The last byte finishes the upload."
        ),
        errors=(*STORING, *GONE, "OFFSET_OUT_OF_RANGE", "SIZE_MISMATCH", "PERMISSION_DENIED", *TRANSIENT),
        parameters=(RESUMABLE, ID, OFFSET, LENGTH, CHECKSUM, OVERRIDE, USER_ID),
        body=BYTES,
    ),
    "tus_terminate": Doc(
        "Give an upload up",
        {204: Success("Everything of it goes, also the file of a finished one", headers=ANSWERS)},
        errors=(*GONE, *TRANSIENT),
        parameters=(RESUMABLE, ID, OVERRIDE, USER_ID),
    ),
}
