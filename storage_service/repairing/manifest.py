"""The description stored beside an object in quarantine: where it came from, what it is, and why it was
moved.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from storage_service.attempts.versioning import NULL_VERSION
from storage_service.objectstore.errors import StoreUnavailable
from storage_service.objectstore.values import ObjectInfo, ObjectRef
from storage_service.verifying.keyspace import OWN, is_ours

PREFIX: Final = f"{OWN}quarantine/"
FORMAT: Final = "strongroom-quarantine/1"
_TEXTS: Final = (
    *("id", "key", "version_id", "etag", "crc32c", "content_type", "last_modified", "why", "found"),
    *("run_id", "moved_at"),
)
_CRC32C: Final = re.compile(r"[0-9a-f]{8}")
_NAMES: Final = uuid.UUID("8c0f6a2e-6f0b-4f0c-9d0e-2b1d5f3a7c44")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The manifest of an entry.

    ``why``: the finding's kind. ``crc32c``: of the whole object. ``moved_at``, ``last_modified``: UTC.
    ``kept``: the original stayed in place, and is removed with its row.
    """

    id: str
    key: str
    version_id: str
    size_bytes: int
    etag: str
    crc32c: int
    content_type: str
    metadata: dict[str, str]
    last_modified: datetime
    why: str
    found: str
    run_id: str
    moved_at: datetime
    kept: bool = False

    @property
    def written_at(self) -> datetime:
        """When the entry was written; ``Unreadable`` has it, too."""
        return self.moved_at

    def to_json(self) -> bytes:
        """The manifest as stored."""
        fields = asdict(self) | {
            "format": FORMAT,
            "crc32c": f"{self.crc32c:08x}",
            "last_modified": self.last_modified.isoformat(),
            "moved_at": self.moved_at.isoformat(),
        }
        return json.dumps(fields, sort_keys=True, indent=1, ensure_ascii=True).encode("ascii")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry without a readable manifest; its bytes may be there.

    ``written_at``: UTC. ``is_there``: it has a manifest. ``may_be_written``: it has none, but is so young
    that the manifest may still come.
    """

    id: str
    written_at: datetime
    is_there: bool = True
    may_be_written: bool = False


Entry: TypeAlias = Manifest | Unreadable


class UnreadableManifest(StoreUnavailable):
    """The manifest is damaged, or was not written by Strongroom."""


def from_json(text: bytes, entry: str) -> Manifest:
    """Parse the manifest of ``entry``. Raises UnreadableManifest.

    A manifest written by hand, or copied from another entry, could name any key of the bucket: it is refused.
    """
    try:
        fields = json.loads(text)
        _check(fields)
        manifest = Manifest(
            **{name: value for name, value in fields.items() if name != "format"}
            | {
                "crc32c": int(fields["crc32c"], 16),
                "last_modified": datetime.fromisoformat(fields["last_modified"]).astimezone(UTC),
                "moved_at": datetime.fromisoformat(fields["moved_at"]).astimezone(UTC),
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableManifest("a manifest in quarantine can't be read", operation="GetObject") from error
    if manifest.id != entry or not is_ours(manifest.key):
        raise UnreadableManifest("a manifest in quarantine is of another entry or key", operation="GetObject")
    return manifest


def _check(fields: Any) -> None:
    """Raises ValueError if fields are missing or don't have the types that ``Manifest.to_json`` writes."""
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ValueError(FORMAT)
    texts = [fields.get(name) for name in _TEXTS]
    texts += [*fields["metadata"], *fields["metadata"].values()]
    size, kept = fields["size_bytes"], fields.get("kept", False)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("texts")
    if type(size) is not int or size < 0 or type(kept) is not bool:
        raise ValueError("numbers")
    if not _CRC32C.fullmatch(fields["crc32c"]):
        raise ValueError("crc32c")


def entry_id(ref: ObjectRef, info: ObjectInfo) -> str:
    """The entry's id. It depends only on the version, so a repeated move finds what the first one left.

    All objects stored without a version have the id ``null``: entity tag, size and time distinguish them.
    """
    name = ref.version_id or ""
    if name in {"", NULL_VERSION}:
        name = f"null\n{info.etag}\n{info.size}\n{info.last_modified.isoformat()}"
    return str(uuid.uuid5(_NAMES, f"{ref.key}\n{name}"))


def object_key(entry: str) -> str:
    """Key of the entry's bytes."""
    return f"{PREFIX}{entry}/object"


def manifest_key(entry: str) -> str:
    """Key of the manifest. It comes before the bytes in a listing, and is written after them."""
    return f"{PREFIX}{entry}/manifest.json"
