"""Documentation of operations: the types of each family's ``DOCS``, and shared parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

Schema = Mapping[str, Any]

#: Errors that every operation with a token may answer.
ALWAYS: Final = (
    "MALFORMED_REQUEST",
    "TOKEN_MISSING",
    "TOKEN_INVALID",
    "TOKEN_EXPIRED",
    "USER_MISMATCH",
    "USER_BEING_ERASED",
    "INVALID_FIELD",
    "RATE_LIMITED",
    "INTERNAL",
    "SERVICE_UNAVAILABLE",
    "DATABASE_UNAVAILABLE",
    "DEADLINE_EXCEEDED",
)
#: Errors of operations that read a file's bytes; and of those that also evaluate conditions and ranges.
BYTES_ERRORS: Final = (
    "FILE_NOT_FOUND",
    "CONTENT_INFECTED",
    "OBJECT_LOST",
    "OBJECT_ARCHIVED",
    "OBJECT_STORE_UNAVAILABLE",
    "OBJECT_STORE_THROTTLED",
)
READ_ERRORS: Final = (*BYTES_ERRORS, "PRECONDITION_FAILED", "RANGE_NOT_SATISFIABLE")
#: Reasons not to take a file.
REFUSED_ERRORS: Final = (
    "SIZE_LIMIT_EXCEEDED",
    "QUOTA_EXCEEDED",
    "FILE_COUNT_EXCEEDED",
    "CONTENT_TYPE_MISMATCH",
    "CONTENT_TYPE_NOT_ALLOWED",
    "CONTENT_INFECTED",
    "SCANNER_UNAVAILABLE",
)
#: Errors of operations that store a file (for pictures also PICTURE_REFUSED); and of those whose body it is.
STORE_ERRORS: Final = (
    *REFUSED_ERRORS,
    "IDEMPOTENCY_KEY_REUSED",
    "REQUEST_IN_PROGRESS",
    "UPLOAD_SUPERSEDED",
    "OVERLOADED",
    "OBJECT_STORE_UNAVAILABLE",
    "OBJECT_STORE_THROTTLED",
)
UPLOAD_ERRORS: Final = ("UPLOAD_INCOMPLETE", "UNSUPPORTED_MEDIA_TYPE", "CHECKSUM_MISMATCH", *STORE_ERRORS)


@dataclass(frozen=True, slots=True)
class Success:
    """A successful response. ``content``: media type → shape (a TypedDict) or schema; ``headers``: those
    worth documenting.
    """

    text: str
    content: Mapping[str, type | Schema] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Doc:
    """One operation. ``errors``: reasons beyond ``ALWAYS``. ``parameters``: OpenAPI objects.

    ``body``: the model of a JSON body, or an OpenAPI object; ``form``: the schema of an equivalent form.
    """

    summary: str
    success: Mapping[int, Success]
    description: str = ""
    errors: tuple[str, ...] = ()
    parameters: tuple[Schema, ...] = ()
    body: type[BaseModel] | Schema | None = None
    form: Schema | None = None


def polled(text: str, content: Mapping[str, type | Schema]) -> Mapping[int, Success]:
    """The successful responses of an operation that callers poll. It takes ``IF_NONE_MATCH`` as a
    parameter.
    """
    tag = "Weak entity tag: it changes when the answer would change."
    return {200: Success(text, content, {"ETag": tag}), 304: Success("Nothing has changed")}


def query(name: str, text: str, schema: Schema, example: Any = None) -> Schema:
    """An optional query parameter."""
    return _parameter("query", name, text, schema, example)


def request_header(name: str, text: str, example: str | None = None) -> Schema:
    """An optional request header."""
    return _parameter("header", name, text, {"type": "string"}, example)


def in_path(name: str, text: str, schema: Schema, example: Any = None) -> Schema:
    """A path parameter."""
    return {**_parameter("path", name, text, schema, example), "required": True}


def form(
    properties: Mapping[str, Schema], *, required: tuple[str, ...], example: Mapping[str, Any]
) -> Schema:
    """A multipart/form-data body."""
    schema = {"type": "object", "properties": dict(properties), "required": list(required)}
    return {
        "required": True,
        "description": "Parts may come in any order; fields before the file let large files stream.",
        "content": {"multipart/form-data": {"schema": schema, "example": dict(example)}},
    }


def _parameter(where: str, name: str, text: str, schema: Schema, example: Any) -> Schema:
    found: dict[str, Any] = {"name": name, "in": where, "description": text, "schema": schema}
    if example is not None:
        found["example"] = example
    return found


BINARY: Final[Schema] = {"type": "string", "contentMediaType": "application/octet-stream"}
VISIBILITY: Final[Schema] = {
    "type": "string",
    "enum": ["private", "public"],
    "default": "private",
    "description": (
        "public: with a CDN configured, the file's URL is permanent and needs no S3"
        " signature. For a file over 1 MiB this field must come before the file."
    ),
}

#: Form fields for retention and storage class, in every form that stores a file without a fixed lifetime.
WISHES: Final[Mapping[str, Schema]] = {
    "keep_until": {
        "type": "string",
        "format": "date-time",
        "description": (
            "The file can't be deleted or replaced before this time. For a file over 1 MiB this"
            " and the next four fields must come before the file."
        ),
    },
    "keep_for_seconds": {
        "type": "integer",
        "minimum": 1,
        "description": "Like keep_until, in seconds from when it is stored.",
    },
    "delete_after": {
        "type": "string",
        "format": "date-time",
        "description": "The file is deleted automatically at this time.",
    },
    "delete_after_seconds": {
        "type": "integer",
        "minimum": 1,
        "description": "The file is deleted automatically at this age.",
    },
    "hold_reason": {
        "type": "string",
        "maxLength": 255,
        "description": "Places a legal hold on it, with this reason.",
    },
    "storage_class": {
        "type": "string",
        "maxLength": 32,
        "description": (
            "An S3 storage class, one of those that the installation allows uploads to choose."
            " Must come before the file too."
        ),
    },
}

USER_ID: Final = query(
    "user_id",
    "Act for this user. Only tokens with the admin role may name another user than their own `sub`.",
    {"type": "string", "maxLength": 255},
)
SOFT: Final = query(
    "soft",
    "Move it to the trash: `/api/v1/trash` lists it, and can restore it until its `purge_at`.",
    {"type": "boolean", "default": False},
    True,
)
IF_MATCH_REVISION: Final = request_header("If-Match", "412 unless it is at this revision (`ETag`).")
#: For changes that depend on the existing content.
CONDITIONS: Final = (
    request_header("If-Match", "412 unless the existing content has this entity tag."),
    request_header(
        "If-None-Match", "412 if the existing content has this entity tag; `*`: if anything exists."
    ),
    request_header("If-Unmodified-Since", "412 if the existing content is newer."),
)
IDEMPOTENCY_KEY: Final = request_header(
    "Idempotency-Key",
    "1 to 255 visible ASCII characters. For 24 hours the same key with the same request"
    " returns the first answer and stores nothing twice; with another request it is 422,"
    " and while the first one is running 409.",
    "0b7c2d1e-7f0f-4a8e-9a43-3f7f0f1f9b11",
)
CHECKSUM_HEADERS: Final = (
    request_header(
        "Content-MD5", "Base64 of the MD5 of the file's bytes; verified before the file is visible."
    ),
    request_header(
        "Repr-Digest",
        "Checksum of the file's bytes (RFC 9530): sha-256, md5 or crc32c; verified before the"
        " file is visible. The older form `Digest: SHA-256=…` is accepted too.",
        "sha-256=:uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=:",
    ),
    request_header(
        "x-amz-checksum-crc32c",
        "Base64 of the CRC-32C of the file's bytes, big-endian; verified in the same way.",
    ),
    request_header(
        "Content-Digest", "Checksum of the whole request body (RFC 9530): sha-256, sha-512 or md5."
    ),
)
IF_NONE_MATCH: Final = request_header(
    "If-None-Match", "304 without a body if the answer's entity tag is among these."
)
RANGE_HEADERS: Final = (
    request_header("Range", "One range of bytes; several ranges return the whole file.", "bytes=0-1023"),
    request_header(
        "If-Range",
        "Send the range only if the file still has this entity tag; with a date the whole file is sent.",
    ),
    request_header("If-None-Match", "304 if the file has one of these entity tags."),
    request_header("If-Modified-Since", "304 if the file has not changed since."),
    request_header("If-Match", "412 unless the file has one of these entity tags."),
    request_header("If-Unmodified-Since", "412 if the file has changed since."),
)
FILE_HEADERS: Final[Mapping[str, str]] = {
    "ETag": "Strong entity tag of the content.",
    "Last-Modified": "When content or metadata last changed.",
    "Accept-Ranges": "Always `bytes`.",
    "Repr-Digest": "CRC-32C of the whole file (RFC 9530), base64 of its four bytes: `crc32c=:…:`.",
    "x-amz-checksum-crc32c": "The same value in base64, if the answer contains the whole file.",
    "Content-Disposition": (
        "`inline` for types that a browser can't execute, else `attachment`; with the original name."
    ),
    "Content-Security-Policy": "`sandbox`, for types that a browser could execute.",
    "Cross-Origin-Resource-Policy": "`same-origin`, or `cross-origin` if CORS allows other origins.",
}
