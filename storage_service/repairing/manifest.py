"""What is written beside an object in quarantine: where it came from, what it is, and why it was moved."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from storage_service.objectstore.errors import StoreUnavailable
from storage_service.verifying.keyspace import OWN

PREFIX: Final = f"{OWN}quarantine/"
FORMAT: Final = "strongroom-quarantine/1"
_NAMES: Final = uuid.UUID("8c0f6a2e-6f0b-4f0c-9d0e-2b1d5f3a7c44")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One entry. ``why``: the finding's kind; ``crc32c``: of the whole; ``moved_at``, ``last_modified``:
    UTC; ``kept``: the original was left for its row's removal to take away.
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

    def to_json(self) -> bytes:
        """As it is stored."""
        fields = asdict(self) | {
            "format": FORMAT,
            "crc32c": f"{self.crc32c:08x}",
            "last_modified": self.last_modified.isoformat(),
            "moved_at": self.moved_at.isoformat(),
        }
        return json.dumps(fields, sort_keys=True, indent=1, ensure_ascii=True).encode("ascii")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry of which nobody can read what it is; its bytes may be there. ``written_at``: UTC."""

    id: str
    written_at: datetime


Entry: TypeAlias = Manifest | Unreadable


class UnreadableManifest(StoreUnavailable):
    """There is one, and it is none of ours, or was damaged."""


def from_json(text: bytes) -> Manifest:
    """Raises UnreadableManifest."""
    try:
        fields = json.loads(text)
        del fields["format"]
        return Manifest(
            **fields
            | {
                "crc32c": int(fields["crc32c"], 16),
                "last_modified": datetime.fromisoformat(fields["last_modified"]).astimezone(UTC),
                "moved_at": datetime.fromisoformat(fields["moved_at"]).astimezone(UTC),
            }
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableManifest("a manifest in quarantine can't be read", operation="GetObject") from error


def entry_id(key: str, version_id: str) -> str:
    """The same version always gives the same id, so that a repeated move finds what the first one left."""
    return str(uuid.uuid5(_NAMES, f"{key}\n{version_id}"))


def object_key(entry: str) -> str:
    """Where the bytes lie."""
    return f"{PREFIX}{entry}/object"


def manifest_key(entry: str) -> str:
    """Where the manifest lies: before the bytes in a listing, and written after them."""
    return f"{PREFIX}{entry}/manifest.json"
