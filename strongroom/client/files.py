"""Return values of the client: plain frozen values, with ``datetime`` for times and enums for kinds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from strongroom.client.arguments import expect, word
from strongroom.enum_words import enum_word
from strongroom.metadata.v1 import file_pb2, retention_pb2, scan_pb2, usage_service_pb2
from strongroom.storage.v1 import download_pb2

#: Metadata set by the families; a copy gets its own.
PROMISED = frozenset({"user_id", "original_filename", "content_type", "upload_timestamp", "class_id"})

LOSSES = {file_pb2.DATA_LOSS_LOST: "lost", file_pb2.DATA_LOSS_CORRUPT: "corrupt"}


class Family(StrEnum):
    """Which of the product's families a file belongs to."""

    FILE = "file"
    GENERATION = "generation"
    EVENT_MEDIA = "event-media"
    PROFILE_PICTURE = "profile-picture"
    TEMP = "temp"
    PATH = "path"
    #: A family that this release of the client does not know.
    UNKNOWN = "unknown"

    @classmethod
    def from_proto(cls, value: int) -> Family:
        """The family of a ``FileFamily`` number."""
        text = enum_word(file_pb2.FileFamily.DESCRIPTOR, value).replace("_", "-")
        return cls(text) if text in {member.value for member in cls} else cls.UNKNOWN

    def to_proto(self) -> file_pb2.FileFamily.ValueType:
        """The ``FileFamily`` number.

        :raises ValueError: for UNKNOWN.
        """
        return file_pb2.FileFamily.Value("FILE_FAMILY_" + self.name)


class Visibility(StrEnum):
    """Who may read a file through its permanent URL."""

    PRIVATE = "private"
    PUBLIC = "public"

    def to_proto(self) -> file_pb2.Visibility.ValueType:
        """The ``Visibility`` number."""
        return file_pb2.Visibility.Value("VISIBILITY_" + self.name)


def family_number(family: Family | str | None) -> file_pb2.FileFamily.ValueType:
    """The ``FileFamily`` number of a family, which may be given by its text; None or empty: all.

    :raises ValueError: there is no such family.
    """
    return word("family", Family, family).to_proto() if family else file_pb2.FILE_FAMILY_UNSPECIFIED


def visibility_number(visibility: Visibility | str) -> file_pb2.Visibility.ValueType:
    """The ``Visibility`` number, also for its text.

    :raises ValueError: there is no such visibility.
    """
    return word("visibility", Visibility, visibility).to_proto()


@dataclass(frozen=True, slots=True)
class GenerationInfo:
    """Additional fields of a generation. ``settings_json`` is unchanged, byte for byte; empty: none."""

    type: str
    prompt: str
    settings_json: str


@dataclass(frozen=True, slots=True)
class EventMediaInfo:
    """Additional fields of event media."""

    event_id: str
    title: str
    description: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """Metadata read from a picture, video or sound; unknown values are ``None``.

    ``width`` and ``height``: pixels as stored; with an ``orientation`` (1 to 8, as in EXIF) from 5 on it is
    shown with the two exchanged. ``duration`` in seconds. ``taken_at``: ISO 8601, without an offset if the
    camera recorded none. ``thumbhash``: a placeholder of about 25 bytes. ``has_location``: the file contains
    its location; readers of links and shares get it without.
    """

    width: int | None
    height: int | None
    orientation: int | None
    duration: float | None
    taken_at: str | None
    thumbhash: bytes | None
    has_location: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold. ``by_admin``: only an admin can lift it."""

    reason: str
    by_admin: bool
    placed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Kept:
    """How long something is kept: it can't be deleted or replaced before ``until`` or while there is a
    ``hold``, and is deleted automatically after ``delete_after``.
    """

    until: datetime | None
    delete_after: datetime | None
    hold: Hold | None


def kept_of(retention: retention_pb2.Retention) -> Kept:
    """The value for a ``strongroom.metadata.v1.Retention``."""
    held, hold = retention.hold, None
    if retention.HasField("hold"):
        hold = Hold(held.reason, held.by_admin, moment_of(held.place_time))
    return Kept(moment_of(retention.keep_until_time), moment_of(retention.delete_after_time), hold)


@dataclass(frozen=True, slots=True)
class ScanResult:
    """The malware scanner's result for the content.

    ``outcome``: ``clean``, ``unscanned`` (to be scanned later; ``cause``: ``size``, ``scanner``, or empty if
    it was not tried yet), ``infected`` (``signature``: what was found; reading raises ``ContentInfected``).
    ``database``: scanner and signature versions.
    """

    outcome: str
    scanned_at: datetime | None
    database: str
    signature: str
    cause: str


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A stored file: visible, durable, never changed in place. ``size`` in bytes; times are timezone-aware,
    in UTC.

    ``etag`` (without quotes) changes with the content, ``generation`` (from 1) with content or metadata;
    ``crc32c`` is the CRC-32C of the content as an unsigned number. ``expires_at`` is set for temporary files,
    ``deleted_at`` and ``purge_at`` for soft-deleted ones. ``data_loss``: ``lost`` or ``corrupt`` if the bytes
    are known to be so, and reading raises ``ObjectLost``; normally empty. ``media``: metadata of a picture,
    video or sound; ``None`` until it has been read, soon after the upload. ``kept``: retention, if any is
    set. ``scan``: result of the malware scanner, if there is one; in lists only for infected files.
    ``spooled``: it waits in the caller's spool; then its id and (except at paths) its key are valid only
    there.
    """

    id: str
    owner_id: str
    family: Family
    key: str
    filename: str
    content_type: str
    size: int
    etag: str
    generation: int
    version_id: str
    crc32c: int
    metadata: Mapping[str, str]
    visibility: Visibility
    created_at: datetime | None
    updated_at: datetime | None
    expires_at: datetime | None = None
    deleted_at: datetime | None = None
    purge_at: datetime | None = None
    generation_info: GenerationInfo | None = None
    event_media: EventMediaInfo | None = None
    data_loss: str = ""
    media: MediaFacts | None = None
    kept: Kept | None = None
    scan: ScanResult | None = None
    spooled: bool = False

    @property
    def user_metadata(self) -> dict[str, str]:
        """``metadata`` without the keys that the families set."""
        return {name: text for name, text in self.metadata.items() if name not in PROMISED}

    @classmethod
    def from_proto(cls, file: file_pb2.File) -> StoredFile:
        """The value for a ``strongroom.metadata.v1.File``."""
        public = file.visibility == file_pb2.VISIBILITY_PUBLIC
        return cls(
            id=file.id,
            owner_id=file.owner_id,
            family=Family.from_proto(file.family),
            key=file.key,
            filename=file.filename,
            content_type=file.content_type,
            size=file.size_bytes,
            etag=file.etag,
            generation=file.generation,
            version_id=file.version_id,
            crc32c=file.crc32c,
            metadata=MappingProxyType(dict(file.metadata)),
            visibility=Visibility.PUBLIC if public else Visibility.PRIVATE,
            created_at=moment_of(file.create_time),
            updated_at=moment_of(file.update_time),
            expires_at=moment_of(file.expire_time),
            deleted_at=moment_of(file.delete_time),
            purge_at=moment_of(file.purge_time),
            generation_info=_generation_info(file),
            event_media=_event_media(file),
            data_loss=LOSSES.get(file.data_loss, ""),
            media=_media(file),
            kept=kept_of(file.retention) if file.HasField("retention") else None,
            scan=_scan(file.scan) if file.HasField("scan") else None,
        )


def _media(file: file_pb2.File) -> MediaFacts | None:
    if not file.HasField("media"):
        return None
    media = file.media
    return MediaFacts(
        media.width or None,
        media.height or None,
        media.orientation or None,
        media.duration_millis / 1000 if media.duration_millis else None,
        media.taken_at or None,
        media.thumbhash or None,
        media.has_location,
    )


def _scan(scan: scan_pb2.Scan) -> ScanResult:
    outcome = enum_word(scan_pb2.ScanOutcome.DESCRIPTOR, scan.outcome)
    return ScanResult(outcome, moment_of(scan.scan_time), scan.database, scan.signature, scan.cause)


def moment_of(stamp: Timestamp) -> datetime | None:
    """Return a timestamp as a datetime, or None if it is unset (1970-01-01T00:00:00Z, which no file has)."""
    return stamp.ToDatetime(tzinfo=UTC) if stamp.seconds or stamp.nanos else None


def whole_seconds(duration: timedelta | int | None) -> int | None:
    """A timedelta in whole seconds, rounded up, as requests need it; numbers and None are returned unchanged.

    :raises TypeError: it is neither.
    :raises ValueError: a timedelta of no length or less: 0 would stand for "never", or for a default.
    """
    if duration is None or isinstance(duration, int):
        return duration
    expect(duration, timedelta, "a span is a timedelta or whole seconds (int)")
    if duration <= timedelta(0):
        raise ValueError(f"{duration} is not a positive time span")
    return math.ceil(duration.total_seconds())


def _generation_info(file: file_pb2.File) -> GenerationInfo | None:
    if not file.HasField("generation_details"):
        return None
    details = file.generation_details
    kind = enum_word(file_pb2.GenerationType.DESCRIPTOR, details.type).replace("_", "-")
    return GenerationInfo(kind, details.prompt, details.settings_json)


def _event_media(file: file_pb2.File) -> EventMediaInfo | None:
    if not file.HasField("event_media_details"):
        return None
    details = file.event_media_details
    return EventMediaInfo(details.event_id, details.title, details.description, tuple(details.tags))


@dataclass(frozen=True, slots=True)
class FilePage:
    """One page of a list, in key order. ``next_page_token`` is empty on the last one. ``complete``: False if
    the service is down, so that the page has only files in the caller's spool.
    """

    files: tuple[StoredFile, ...]
    next_page_token: str
    complete: bool = True


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """A URL that needs no token. ``expires_at`` None: it does not expire (a public file)."""

    url: str
    expires_at: datetime | None
    file: StoredFile

    @classmethod
    def from_proto(cls, response: download_pb2.SignUrlResponse) -> SignedUrl:
        """The value for a ``SignUrlResponse``."""
        return cls(response.url, moment_of(response.expire_time), StoredFile.from_proto(response.file))


@dataclass(frozen=True, slots=True)
class Usage:
    """A user's usage and limits; a limit is None if there is none."""

    owner_id: str
    used_bytes: int
    reserved_bytes: int
    file_count: int
    limit_bytes: int | None
    limit_files: int | None

    @classmethod
    def from_proto(cls, usage: usage_service_pb2.Usage) -> Usage:
        """The value for a ``strongroom.metadata.v1.Usage``."""
        return cls(
            usage.owner_id,
            usage.used_bytes,
            usage.reserved_bytes,
            usage.file_count,
            usage.limit_bytes if usage.HasField("limit_bytes") else None,
            usage.limit_files if usage.HasField("limit_files") else None,
        )


#: A file in a call's arguments: a returned value, an id, or a key.
FileName = StoredFile | UUID | str


def id_or_key(name: FileName) -> tuple[str, str]:
    """Return ``(file_id, key)``, one of them empty. Text that is a UUID is an id, because keys contain a
    slash.

    :raises TypeError: for other types. :raises ValueError: for empty text, or None.
    """
    expect(name, StoredFile | UUID | str | None, "a file is named by its id, its key or a StoredFile")
    if isinstance(name, StoredFile):
        return name.id, ""
    if isinstance(name, UUID):
        return str(name), ""
    if not name:
        raise ValueError("a file is named by its id or its key; both were empty")
    if "/" in name:
        return "", name
    try:
        return str(UUID(name)), ""
    except ValueError:
        return "", name


class _NamesFile(Protocol):
    """A request that names a file."""

    file_id: str
    key: str


def name_file(request: _NamesFile, name: FileName) -> None:
    """Set the request's ``file_id`` or ``key``.

    :raises ValueError: for empty text.
    """
    file_id, key = id_or_key(name)
    if file_id:
        request.file_id = file_id
    else:
        request.key = key
