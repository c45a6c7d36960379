"""Headers of tus 1.0: parses those of requests, makes those of answers."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import format_datetime
from typing import Final
from urllib.parse import unquote, urlsplit

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.http.reply import Header, header
from gateway.upstream.call import Call
from servicekit.limits.settings import LimitSettings
from strongroom.errors import MalformedRequest, SizeLimitExceeded, UnsupportedMediaType
from strongroom.type.v1.checksums_pb2 import Checksums

VERSION: Final = "1.0.0"
EXTENSIONS: Final = (
    "creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation"
)
OFFSET_STREAM: Final = "application/offset+octet-stream"
PREFIX: Final = "/files"
#: Route of one upload.
UPLOAD_PATH: Final = PREFIX + "/{id}"
MAX_PARTIALS: Final = 1000
#: Algorithms of Upload-Checksum, and the length of their digests in bytes.
ALGORITHMS: Final = {"sha1": 20, "sha256": 32, "crc32c": 4}
_NUMBER: Final = re.compile(r"[0-9]{1,40}")
_MAX_INT64: Final = 2**63 - 1
_UPLOAD_PATH: Final = re.compile(r"(?:.*/)?files/(?P<id>[^/]+)/?")
#: Two URLs that nothing, or something else than a blank, separates: only the last would be joined.
_JOINED: Final = re.compile(
    r"files/[A-Za-z0-9_-]{32}(?![A-Za-z0-9_-]).*files/|files/[A-Za-z0-9_-]{32}https?:"
)


def upload_length(call: Call) -> int | None:
    """``Upload-Length`` in bytes; None: not sent.

    :raises MalformedRequest: not a whole number. :raises SizeLimitExceeded: more than any object may have.
    """
    text = call.header("upload-length")
    return None if text is None else _number("Upload-Length", text)


def created_length(call: Call) -> int | None:
    """The length of a new upload; None: deferred.

    :raises MalformedRequest: neither or both of Upload-Length and ``Upload-Defer-Length: 1`` were sent.
    """
    length, deferred = upload_length(call), call.header("upload-defer-length")
    if deferred is not None and deferred.strip() != "1":
        raise MalformedRequest("Upload-Defer-Length takes no other value than 1.")
    if (length is None) == (deferred is None):
        raise MalformedRequest(
            "Send either Upload-Length, or Upload-Defer-Length: 1 when it is not known yet."
        )
    return length


def upload_offset(call: Call) -> int:
    """``Upload-Offset`` in bytes.

    :raises MalformedRequest: missing, or not a whole number.
    """
    text = call.header("upload-offset")
    if text is None:
        raise MalformedRequest("Upload-Offset is missing; HEAD tells where to go on.")
    return _number("Upload-Offset", text)


def check_body_type(call: Call) -> None:
    """Check the declared type and length of a PATCH or creation with upload.

    :raises UnsupportedMediaType: the body's type is not that of tus, or it is compressed.
    :raises SizeLimitExceeded: it announces more than any upload may have.
    """
    kind = (call.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != OFFSET_STREAM:
        raise UnsupportedMediaType(
            f"Send the bytes with Content-Type: {OFFSET_STREAM}.", metadata={"expected": OFFSET_STREAM}
        )
    call.refuse_encoded_body()
    call.refuse_longer(largest(call.services.settings))


def largest(limits: LimitSettings) -> int:
    """``Tus-Max-Size``: the largest upload of any family, in bytes."""
    return max(
        limits.max_file_bytes,
        limits.max_generation_bytes,
        limits.max_event_media_bytes,
        limits.max_profile_picture_bytes,
        limits.max_temp_bytes,
    )


def has_body(call: Call) -> bool:
    """Whether the request announces a non-empty body (or one of unknown length)."""
    return (
        call.header("transfer-encoding") is not None
        or (call.header("content-length") or "").strip("0 ") != ""
    )


def upload_checksum(call: Call) -> Checksums | None:
    """``Upload-Checksum`` of this request's body; None: not sent.

    :raises MalformedRequest: an unknown algorithm, or not the base64 of a checksum of its length.
    """
    text = call.header("upload-checksum")
    if text is None:
        return None
    algorithm, _, encoded = text.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise MalformedRequest(f"Upload-Checksum takes {', '.join(ALGORITHMS)} and no other algorithm.")
    try:
        value = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != ALGORITHMS[algorithm]:
        raise MalformedRequest(
            f"Upload-Checksum: send {algorithm}, a space, and the base64 of its {ALGORITHMS[algorithm]}"
            f" bytes."
        )
    if algorithm == "crc32c":
        return Checksums(crc32c=int.from_bytes(value, "big"))
    return Checksums(sha1=value) if algorithm == "sha1" else Checksums(sha256=value)


@dataclass(frozen=True, slots=True)
class Concat:
    """``Upload-Concat``. ``partials``: upload ids of a final upload, in order; None: a partial upload."""

    partials: Sequence[str] | None = None


def upload_concat(call: Call) -> Concat | None:
    """``Upload-Concat``; None: not sent.

    Only the paths of a final upload's URLs are used, so relative and absolute ones are equal.

    :raises MalformedRequest: neither ``partial`` nor ``final;`` with 1-1,000 URLs of uploads.
    """
    text = call.header("upload-concat")
    if text is None:
        return None
    if text.strip() == "partial":
        return Concat()
    kind, _, rest = text.strip().partition(";")
    urls = rest.split()
    if kind.strip() != "final" or not urls:
        raise MalformedRequest("Upload-Concat takes partial, or final; and the URLs of partial uploads.")
    if len(urls) > MAX_PARTIALS:
        raise MalformedRequest(f"Upload-Concat joins {MAX_PARTIALS} uploads at most.")
    return Concat([_upload_id(url) for url in urls])


def _upload_id(url: str) -> str:
    try:
        path = unquote(urlsplit(url).path, errors="strict")
    except ValueError:
        path = ""
    match = None if _JOINED.search(unquote(url)) else _UPLOAD_PATH.fullmatch(path)
    if match is None:
        raise MalformedRequest("Upload-Concat: one of the URLs is not that of an upload here.")
    return match["id"]


def _number(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text.strip()):
        raise MalformedRequest(f"{name} must be a whole number of bytes, 0 or more.")
    value = int(text)
    if value > _MAX_INT64:
        raise SizeLimitExceeded(
            f"{name} is more than any upload may have.", metadata={"limit": str(_MAX_INT64)}
        )
    return value


def expires(moment: Timestamp) -> Header:
    """``Upload-Expires`` as an HTTP date (RFC 9110 section 5.6.7)."""
    return header("upload-expires", format_datetime(moment.ToDatetime(UTC), usegmt=True))


def capabilities(max_bytes: int) -> list[Header]:
    """The headers of OPTIONS. ``max_bytes``: the largest file that any family takes."""
    return [
        header("tus-version", VERSION),
        header("tus-extension", EXTENSIONS),
        header("tus-max-size", max_bytes),
        header("tus-checksum-algorithm", ",".join(ALGORITHMS)),
    ]
