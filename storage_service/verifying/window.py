"""A window of the key space: rows, read first, and the listing, merged by key in constant memory."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ListedVersion
from storage_service.verifying.keyspace import OWN, is_ours
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.verification_service_pb2 import KeyRow, VerificationShard

ROWS: Final = 1000
LISTED: Final = 4000
"""Versions and markers, foreign ones included, after which a window ends at the next key."""


@dataclass(slots=True)
class AtKey:
    """What was seen of one key: the rows, then the versions and delete markers, newest first."""

    rows: list[KeyRow] = field(default_factory=list)
    versions: list[ListedVersion] = field(default_factory=list)

    @property
    def committed(self) -> list[KeyRow]:
        """Rows whose objects have to be there."""
        return [row for row in self.rows if row.state == blob_pb2.BLOB_STATE_COMMITTED]


@dataclass(slots=True)
class Window:
    """Keys in (cursor, ``end``]. ``passed_over``: listed entries that don't belong to Strongroom."""

    keys: dict[str, AtKey]
    end: str
    done: bool
    passed_over: int = 0


async def read_window(store: ObjectStore, records: VerificationRecords, shard: VerificationShard) -> Window:
    """Read the next window of a shard. Raises StrongroomError, StoreError."""
    page = await records.page(shard.cursor, shard.until_key, ROWS)
    end = page.rows[-1].key if page.more else shard.until_key
    keys: dict[str, AtKey] = {}
    for row in page.rows:
        keys.setdefault(row.key, AtKey()).rows.append(row)
    listing = await _list(store, shard.cursor, end)
    for version in listing.versions:
        keys.setdefault(version.key, AtKey()).versions.append(version)
    if listing.cut_at is not None:
        keys = {key: seen for key, seen in keys.items() if key <= listing.cut_at}
        end = listing.cut_at
    done = listing.cut_at is None and not page.more
    return Window(dict(sorted(keys.items())), end, done, listing.passed_over)


@dataclass(slots=True)
class _Listing:
    versions: list[ListedVersion] = field(default_factory=list)
    passed_over: int = 0
    cut_at: str | None = None


async def _list(store: ObjectStore, after: str, end: str) -> _Listing:
    """List versions of Strongroom's keys in (after, end]; empty ``end``: to the last key.

    The list is cut after LISTED entries, at the end of a key.
    """
    found = _Listing()
    seen, last_key = 0, after
    async with aclosing(store.list_versions("", after=after)) as pages:  # type: ignore[type-var]
        async for page in pages:
            for version in page:
                if version.key <= after:
                    continue
                if end and version.key > end:
                    return found
                if seen >= LISTED and version.key != last_key:
                    found.cut_at = last_key
                    return found
                seen, last_key = seen + 1, version.key
                if is_ours(version.key):
                    found.versions.append(version)
                elif not version.key.startswith(OWN):
                    found.passed_over += 1
    return found
