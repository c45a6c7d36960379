"""Object attributes in the forms of S3: headers and botocore parameters for requests, ``ObjectInfo`` from
replies.

Metadata may be any text, is stored as plain ASCII, and is decoded again. Values that ASCII can't represent
become RFC 2047 encoded words (``=?UTF-8?B?…?=``), the form in which S3 itself shows them. Long values are
cut, because stores limit them (Swift: 256 bytes per value; S3: 2 KiB in all). The full text is in the
database; the metadata is a copy for people who look into the bucket.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from storage_service.objectstore import checksums
from storage_service.objectstore.errors import InvalidRequest, StoreUnavailable
from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.values import ObjectAttributes, ObjectInfo, Reachability

MAX_VALUE = 256
"""The most bytes of one value in its header form."""
MAX_TOTAL = 2048
"""The most bytes of all keys and values (S3 "Editing object metadata")."""

_PREFIX, _SUFFIX = "=?UTF-8?B?", "?="
_ENCODED = re.compile(r"=\?UTF-8\?B\?([A-Za-z0-9+/=]*)\?=", re.IGNORECASE)
_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_KEY = re.compile(r"strongroom-[a-z0-9-]{1,50}|[a-z0-9][a-z0-9_]{0,63}")
_OWN_KEYS = "strongroom-"
_MAX_ENCODED_BYTES = (MAX_VALUE - len(_PREFIX) - len(_SUFFIX)) // 4 * 3


def encode_value(text: str) -> str:
    """Return the header form of ``text``, at most MAX_VALUE bytes; longer text is cut between characters."""
    if _PLAIN.fullmatch(text) and "=?" not in text and "  " not in text and len(text) <= MAX_VALUE:
        return text
    raw = text.encode("utf-8", "replace")[:_MAX_ENCODED_BYTES].decode("utf-8", "ignore").encode()
    return f"{_PREFIX}{base64.b64encode(raw).decode('ascii')}{_SUFFIX}"


def decode_value(header: str) -> str:
    """Return the text of a header value; a value in another form is returned unchanged."""
    match = _ENCODED.fullmatch(header.strip()) if "=?" in header else None
    if match is None:
        return header
    try:
        return base64.b64decode(match[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return header


def encode_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return an object's metadata in header form. Raises ValueError for an invalid key or too much
    metadata.
    """
    encoded: dict[str, str] = {}
    total = 0
    for key, text in metadata.items():
        if not _KEY.fullmatch(key):
            raise ValueError(f"metadata key {key!r}: at most 64 of a-z, 0-9 and '_', or strongroom-…")
        encoded[key] = value = encode_value(text)
        total += len(key) + len(value)
    if total > MAX_TOTAL:
        raise ValueError(f"object metadata exceeds {MAX_TOTAL} bytes")
    return encoded


def decode_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the text of all values, with keys in lower case.

    Swift turns ``_`` in the keys of multipart objects into ``-``, as CGI does with header names. Keys have
    either the one or the other (``encode_metadata`` makes sure of that), so the change can be reverted.
    """
    return {_key(name.lower()): decode_value(text) for name, text in headers.items()}


def _key(name: str) -> str:
    return name if name.startswith(_OWN_KEYS) else name.replace("-", "_")


_META = "x-amz-meta-"
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_ETAG_PARTS = re.compile(r"-(\d{1,5})$")


def object_headers(attrs: ObjectAttributes, settings: S3Options) -> dict[str, str]:
    """Return the headers of a request that creates an object. Raises InvalidRequest for what S3 can't
    store.
    """
    headers = {
        "content-type": attrs.content_type,
        "content-disposition": attrs.content_disposition or "",
        "cache-control": attrs.cache_control or "",
    }
    for name, text in headers.items():
        if not (text.isascii() and text.isprintable()):
            raise InvalidRequest(f"The object's {name} holds characters that HTTP headers cannot carry.")
    headers = {name: text for name, text in headers.items() if text}
    if settings.encryption != "off":
        headers["x-amz-server-side-encryption"] = settings.encryption
        if settings.encryption == "aws:kms" and settings.kms_key_id:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = settings.kms_key_id
    if storage_class := attrs.storage_class or settings.storage_class:
        headers["x-amz-storage-class"] = storage_class
    for key, text in encoded_metadata(attrs).items():
        headers[_META + key] = text
    return headers


_PARAMETERS = {
    "content-type": "ContentType",
    "content-disposition": "ContentDisposition",
    "cache-control": "CacheControl",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-storage-class": "StorageClass",
}


def object_parameters(attrs: ObjectAttributes, settings: S3Options) -> dict[str, Any]:
    """Return the same as ``object_headers`` as botocore parameters. Raises InvalidRequest."""
    headers = object_headers(attrs, settings)
    named: dict[str, Any] = {
        parameter: headers[header] for header, parameter in _PARAMETERS.items() if header in headers
    }
    return {**named, "Metadata": encoded_metadata(attrs)}


def encoded_metadata(attrs: ObjectAttributes) -> dict[str, str]:
    """Return the metadata in header form. Raises InvalidRequest."""
    try:
        return encode_metadata(attrs.metadata)
    except ValueError as error:
        raise InvalidRequest(f"The object's metadata cannot be stored: {error}.") from error


def special_option(settings: S3Options, *, if_none_match: bool = False) -> str:
    """Return the setting to name if a store rejects a feature of the request as unknown."""
    if settings.encryption != "off":
        return "STRONGROOM_S3_SSE"
    if settings.storage_class:
        return "STRONGROOM_S3_STORAGE_CLASS"
    if if_none_match:
        return "STRONGROOM_S3_CONDITIONAL_WRITES"
    return "STRONGROOM_S3_MULTIPART_CHECKSUM" if settings.checksum_mode != "off" else ""


def bare_etag(text: str | None) -> str:
    """Return the ETag without quotes and ``W/``; empty for None."""
    etag = (text or "").strip()
    return etag.removeprefix("W/").strip('"')


def content_range(headers: Mapping[str, str]) -> tuple[int, int, int] | None:
    """Return first byte, last byte and whole size; None without a valid Content-Range."""
    text = headers.get("content-range")
    match = _CONTENT_RANGE.fullmatch(text) if text else None
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def object_info(key: str, headers: Mapping[str, str]) -> ObjectInfo:
    """Return the object's facts from the headers of HEAD or GET. ``size`` is that of the whole object, also
    for a range.

    Raises StoreUnavailable.
    """
    part = content_range(headers)
    length, modified = headers.get("content-length", ""), headers.get("last-modified")
    if not modified or not (part or (length.isascii() and length.isdigit())):
        raise StoreUnavailable("The object store's answer lacks the object's size or time.")
    etag = bare_etag(headers.get("etag"))
    parts = _ETAG_PARTS.search(etag)
    user = {name[len(_META) :]: text for name, text in headers.items() if name.startswith(_META)}
    return ObjectInfo(
        key=key,
        size=part[2] if part else int(length),
        etag=etag,
        version_id=headers.get("x-amz-version-id"),
        crc32c=full_object_crc32c(headers),
        content_type=headers.get("content-type", "application/octet-stream"),
        metadata=decode_metadata(user),
        last_modified=_http_time(modified),
        parts_count=int(parts[1]) if parts else None,
        reachability=_reachability(headers),
        readable_until=_readable_until(headers.get("x-amz-restore", "")),
    )


_ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_EXPIRY = re.compile(r'expiry-date="([^"]+)"')


def _reachability(headers: Mapping[str, str]) -> Reachability:
    """Evaluate x-amz-restore, which an object has from the request until the restored copy expires."""
    restore = headers.get("x-amz-restore", "")
    if 'ongoing-request="true"' in restore:
        return Reachability.COMING_BACK
    is_archived = "x-amz-archive-status" in headers or headers.get("x-amz-storage-class") in _ARCHIVE_CLASSES
    return Reachability.ARCHIVED if is_archived and not restore else Reachability.READABLE


def _readable_until(restore: str) -> datetime | None:
    found = _EXPIRY.search(restore)
    if found:
        with suppress(StoreUnavailable):  # only informative: an invalid time must not fail the read
            return _http_time(found[1])
    return None


def needed_etag(found: Any) -> str:
    """Return the ETag of an entry in a reply. Raises LookupError if it has none."""
    etag = bare_etag(found["ETag"])
    if not etag:
        raise LookupError("an empty ETag")
    return etag


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IMF_FIXDATE = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)


def _http_time(text: str) -> datetime:
    """Parse an HTTP date: IMF-fixdate (RFC 9110 section 5.6.7), or an obsolete form that receivers have to
    accept.
    """
    try:
        if match := _IMF_FIXDATE.fullmatch(text):
            day, month, year, hour, minute, second = match.groups()
            number = _MONTHS.index(month) + 1
            return datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, LookupError) as error:
        raise StoreUnavailable("The object store's answer holds no valid time.") from error


def utc(time: datetime) -> datetime:
    """Convert a time from botocore, which returns those of listings in the machine's time zone."""
    return time.astimezone(UTC)


def full_object_crc32c(headers: Mapping[str, str]) -> int | None:
    """Return the store's CRC-32C of the whole object; None if it has none, or only one over part
    checksums.
    """
    if headers.get("x-amz-checksum-type", "FULL_OBJECT").upper() != "FULL_OBJECT":
        return None
    return checksums.from_base64(headers.get("x-amz-checksum-crc32c"))
