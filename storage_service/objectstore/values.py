"""Value types of the object store.

Sizes and offsets are bytes. CRC-32C values are unsigned 32-bit integers (Castagnoli, RFC 3720), never base64.
ETags are bare: without quotes and never weak. Times are timezone-aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import TypeAlias

Chunk: TypeAlias = bytes | bytearray | memoryview
"""One contiguous piece of a body. An adapter never copies, joins or keeps it after the call."""

MIB = 1 << 20
MIN_PART_SIZE = 5 * MIB
"""Minimum size of every part but the last (S3 "Multipart upload limits")."""
MAX_PARTS = 10_000
MAX_PART_SIZE = 5 << 30
MAX_PUT_SIZE = 5 << 30
MAX_OBJECT_SIZE = 5 << 40
MAX_DELETE_BATCH = 1_000
MAX_SIGNED_LIFETIME = timedelta(days=7)
"""Of a SigV4 presigned URL. One signed with temporary credentials expires with them, if that is sooner."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object by key: exactly the version ``version_id`` (rule R0), or the current one without it."""

    key: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAttributes:
    """Attributes stored with the bytes. ``metadata`` values may be any text: adapters encode non-ASCII.

    Keys are lower-case ASCII (``user_id``, ``original_filename``, ``strongroom-attempt``…). SSE is a setting
    of the adapter, the same for every object; so is the storage class if ``storage_class`` is empty.
    """

    content_type: str = "application/octet-stream"
    content_disposition: str | None = None
    cache_control: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = ""


@dataclass(slots=True)
class Doubtful:
    """Filled in by a call: a failed try may have been applied, so a success may be the second one."""

    is_so: bool = False


@dataclass(frozen=True, slots=True)
class PutResult:
    """The result of a PUT or copy.

    ``crc32c_verified``: the reply itself proves the stored content, so HEAD can be omitted. ``etag`` may be
    empty on stores that don't return it; HEAD has it then. ``repeated``: an earlier try may have been
    applied, too, which leaves a version of its own in a bucket with versioning.
    """

    etag: str
    version_id: str | None
    crc32c_verified: bool
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class PartReceipt:
    """One stored part, in the form that CompleteMultipartUpload needs."""

    number: int
    etag: str
    size: int
    crc32c: int | None


@dataclass(frozen=True, slots=True)
class CompleteResult:
    """Like PutResult. ``etag`` is never empty (the adapter reads it by HEAD if the store omits it)."""

    etag: str
    version_id: str | None
    crc32c_verified: bool


class Reachability(Enum):
    """Whether an object's bytes can be read (S3 "Working with archived objects")."""

    READABLE = "readable"
    ARCHIVED = "archived"
    """In an archive class, without a restore in progress."""
    COMING_BACK = "coming back"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """The answer of HEAD. ``metadata`` is decoded text.

    ``crc32c``: only if the store keeps one of the whole object. ``readable_until``: when the copy restored
    from an archive class expires; None if it doesn't.
    """

    key: str
    size: int
    etag: str
    version_id: str | None
    crc32c: int | None
    content_type: str
    metadata: Mapping[str, str]
    last_modified: datetime
    parts_count: int | None = None
    reachability: Reachability = Reachability.READABLE
    readable_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListedUpload:
    """An open multipart upload."""

    key: str
    upload_id: str
    initiated: datetime


@dataclass(frozen=True, slots=True)
class ListedObject:
    """A current object in a listing."""

    key: str
    size: int
    etag: str
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A version or a delete marker (``size`` 0, ``etag`` empty) in a listing of versions.

    ``storage_class`` is empty if the store doesn't say it.
    """

    key: str
    version_id: str
    is_latest: bool
    is_delete_marker: bool
    size: int
    etag: str
    last_modified: datetime
    storage_class: str = ""

    @property
    def ref(self) -> ObjectRef:
        """The reference that deletes exactly this version or marker."""
        return ObjectRef(self.key, self.version_id)


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """``version_id``: of the removed version, or of the delete marker that a versioned bucket added."""

    version_id: str | None
    delete_marker: bool


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that can be sent without credentials: method, URL and headers exactly as given."""

    method: str
    url: str
    headers: Mapping[str, str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PostForm:
    """A browser form upload (S3 "POST policy"): send ``fields`` first, then the part named ``file``."""

    url: str
    fields: Mapping[str, str]
    expires_at: datetime


class VersioningStatus(Enum):
    """S3 Versioning of the bucket; UNSUPPORTED if the store has none."""

    ENABLED = "enabled"
    SUSPENDED = "suspended"
    OFF = "off"
    UNSUPPORTED = "unsupported"


class BucketState(Enum):
    """The results of ObjectStore.check."""

    OK = "ok"
    NO_CREDENTIALS = "no_credentials"
    WRONG_REGION = "wrong_region"
    BUCKET_MISSING = "bucket_missing"
    DENIED = "denied"
    UNREACHABLE = "unreachable"
    CLOCK_SKEWED = "clock_skewed"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class BucketDiagnosis:
    """``message`` says how to fix the problem; ``region`` is the bucket's own if the store names it."""

    state: BucketState
    message: str
    region: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the bucket can be used."""
        return self.state is BucketState.OK
