"""Object attributes in the forms of S3: headers and botocore parameters in, ``ObjectInfo`` out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from storage_service.objectstore import checksums
from storage_service.objectstore.errors import InvalidRequest, StoreUnavailable
from storage_service.objectstore.s3 import metadata
from storage_service.objectstore.s3.options import S3Options
from storage_service.objectstore.values import ObjectAttributes, ObjectInfo

_META = "x-amz-meta-"
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_ETAG_PARTS = re.compile(r"-(\d{1,5})$")


def object_headers(attrs: ObjectAttributes, settings: S3Options) -> dict[str, str]:
    """Headers of a request that makes an object. Raises InvalidRequest for what S3 cannot hold."""
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
    if settings.storage_class:
        headers["x-amz-storage-class"] = settings.storage_class
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
    """The same as ``object_headers``, as botocore parameters. Raises InvalidRequest."""
    headers = object_headers(attrs, settings)
    named: dict[str, Any] = {
        parameter: headers[header] for header, parameter in _PARAMETERS.items() if header in headers
    }
    return {**named, "Metadata": encoded_metadata(attrs)}


def encoded_metadata(attrs: ObjectAttributes) -> dict[str, str]:
    """Metadata in header form. Raises InvalidRequest."""
    try:
        return metadata.encode(attrs.metadata)
    except ValueError as error:
        raise InvalidRequest(f"The object's metadata cannot be stored: {error}.") from error


def special_option(settings: S3Options, *, if_none_match: bool = False) -> str:
    """The setting to name when a store answers that it does not know something in the request."""
    if settings.encryption != "off":
        return "STRONGROOM_S3_SSE"
    if settings.storage_class:
        return "STRONGROOM_S3_STORAGE_CLASS"
    if if_none_match:
        return "STRONGROOM_S3_CONDITIONAL_WRITES"
    return "STRONGROOM_S3_MULTIPART_CHECKSUM" if settings.checksum_mode != "off" else ""


def bare_etag(text: str | None) -> str:
    """Without quotes and weakness; empty for none."""
    etag = (text or "").strip()
    return etag.removeprefix("W/").strip('"')


def content_range(headers: Mapping[str, str]) -> tuple[int, int, int] | None:
    """First byte, last byte, whole size; None where there is no valid Content-Range."""
    match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def object_info(key: str, headers: Mapping[str, str]) -> ObjectInfo:
    """From the headers of HEAD or GET; size is the whole object's also for a range.

    Raises StoreUnavailable.
    """
    part = content_range(headers)
    length, modified = headers.get("content-length", ""), headers.get("last-modified")
    if not modified or not (part or (length.isascii() and length.isdigit())):
        raise StoreUnavailable("The object store's answer lacks the object's size or time.")
    etag = bare_etag(headers.get("etag"))
    parts = _ETAG_PARTS.search(etag)
    user = {name.removeprefix(_META): text for name, text in headers.items() if name.startswith(_META)}
    return ObjectInfo(
        key=key,
        size=part[2] if part else int(length),
        etag=etag,
        version_id=headers.get("x-amz-version-id"),
        crc32c=full_object_crc32c(headers),
        content_type=headers.get("content-type", "application/octet-stream"),
        metadata=metadata.decode(user),
        last_modified=_http_time(modified),
        parts_count=int(parts[1]) if parts else None,
    )


def needed_etag(found: Any) -> str:
    """Of an entry of a reply. Raises LookupError where it has none."""
    etag = bare_etag(found["ETag"])
    if not etag:
        raise LookupError("an empty ETag")
    return etag


def _http_time(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, LookupError) as error:
        raise StoreUnavailable("The object store's answer holds no valid time.") from error


def utc(time: datetime) -> datetime:
    """From botocore, which gives the times of listings in the machine's own zone."""
    return time.astimezone(UTC)


def full_object_crc32c(headers: Mapping[str, str]) -> int | None:
    """The store's CRC-32C over the whole object; None when it has none, or only one over part checksums."""
    if headers.get("x-amz-checksum-type", "FULL_OBJECT").upper() != "FULL_OBJECT":
        return None
    return checksums.from_base64(headers.get("x-amz-checksum-crc32c"))
