"""Value types of the object store: what goes into it and what it tells.

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
"""One contiguous piece of a body; an adapter never copies, joins or keeps it past the call."""

MIB = 1 << 20
MIN_PART_SIZE = 5 * MIB
"""Smallest part but the last (S3 "Multipart upload limits")."""
MAX_PARTS = 10_000
MAX_PART_SIZE = 5 << 30
MAX_PUT_SIZE = 5 << 30
MAX_OBJECT_SIZE = 5 << 40
MAX_DELETE_BATCH = 1_000
MAX_SIGNED_LIFETIME = timedelta(days=7)
"""Of a SigV4 presigned URL. One signed with temporary credentials ends with them, if that is sooner."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object by key; with ``version_id`` exactly that version (rule R0), without it the current one."""

    key: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectAttributes:
    """What is stored with the bytes. ``metadata`` values may be any text: adapters encode what is not ASCII.

    Keys are lower case ASCII (``user_id``, ``original_filename``, ``strongroom-attempt``…). SSE is a
    setting of the adapter, the same for every object; ``storage_class`` empty: so is the storage class.
    """

    content_type: str = "application/octet-stream"
    content_disposition: str | None = None
    cache_control: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = ""


@dataclass(slots=True)
class Doubtful:
    """Filled in by a call: a try that failed may have been applied, so a success may be the second one."""

    is_so: bool = False


@dataclass(frozen=True, slots=True)
class PutResult:
    """``crc32c_verified``: the reply itself proves the stored content, so HEAD can be left out.

    ``etag`` may be empty on stores that do not say it; HEAD is right then. ``repeated``: an earlier try may
    have been applied too, which leaves a version of its own in a bucket with versioning.
    """

    etag: str
    version_id: str | None
    crc32c_verified: bool
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class PartReceipt:
    """One stored part, as CompleteMultipartUpload wants it back."""

    number: int
    etag: str
    size: int
    crc32c: int | None


@dataclass(frozen=True, slots=True)
class CompleteResult:
    """As PutResult; ``etag`` is never empty (the adapter reads it by HEAD where the store forgets it)."""

    etag: str
    version_id: str | None
    crc32c_verified: bool


class Reachability(Enum):
    """Whether an object's bytes can be read (S3 "Working with archived objects")."""

    READABLE = "readable"
    ARCHIVED = "archived"
    """In an archive class, and nothing brings it back."""
    COMING_BACK = "coming back"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """Answer of HEAD. ``crc32c`` only when the store keeps one over the full object. ``readable_until``: when
    the copy ends that was brought back from an archive class; None: there is no such end.

    Metadata is decoded text.
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
    """A version or a delete marker (``size`` 0, ``etag`` empty) in a versions listing. ``storage_class``
    empty: the store does not say.
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
        """What deletes exactly this version or marker."""
        return ObjectRef(self.key, self.version_id)


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """``version_id`` names the removed version, or the delete marker that a versioned bucket added."""

    version_id: str | None
    delete_marker: bool


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that somebody without credentials may send: method, URL and headers exactly as given."""

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
    """S3 Versioning of the bucket; UNSUPPORTED when the store has none."""

    ENABLED = "enabled"
    SUSPENDED = "suspended"
    OFF = "off"
    UNSUPPORTED = "unsupported"


class BucketState(Enum):
    """What ObjectStore.check found."""

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
    """``message`` says how to mend it; ``region`` is the bucket's own when the store tells."""

    state: BucketState
    message: str
    region: str | None = None

    @property
    def ok(self) -> bool:
        """The bucket can be read."""
        return self.state is BucketState.OK
