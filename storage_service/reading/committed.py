"""Reading committed objects: what the row says of them is held against what the store answers.

Whole objects run their CRC-32C along (0.1 CPU s/GiB), and the last piece is passed on only when it is right:
other bytes than were stored never make a complete answer. What is missing or damaged is an ERROR in the log,
with key and request id, and counted (``strongroom_damaged_objects_total``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import structlog
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from servicekit import context
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import ObjectNotFound, PreconditionFailed
from storage_service.objectstore.interface import ObjectReader
from storage_service.objectstore.translation import translated
from storage_service.objectstore.values import ObjectInfo, ObjectRef
from strongroom.errors import ObjectLost

log = structlog.get_logger(__name__)

Damage = Literal["lost", "corrupt"]
_counts: Counter[Damage] = Counter()


class DamageCollector(Collector):
    """What this process has met, as a metric."""

    def collect(self) -> Iterable[Metric]:
        """One sample per kind."""
        found = CounterMetricFamily(
            "strongroom_damaged_objects",
            "Reads of committed objects that met no object (lost) or other bytes (corrupt).",
            labels=("kind",),
        )
        for kind in ("lost", "corrupt"):
            found.add_metric((kind,), _counts[kind])
        return (found,)


@dataclass(frozen=True, slots=True)
class Committed:
    """A committed object as its row tells of it."""

    ref: ObjectRef
    etag: str
    size: int
    crc32c: int


def damaged(kind: Damage, committed: Committed, **facts: object) -> ObjectLost:
    """The error to raise; the operator is told at once."""
    _counts[kind] += 1
    ref, request_id = committed.ref, context.current_request_id()
    log.error(
        "object_damaged", kind=kind, key=ref.key, version=ref.version_id, request_id=request_id, **facts
    )
    if kind == "lost":
        return ObjectLost("the stored object is missing or changed; the operator has been told")
    return ObjectLost("the object store answered other bytes than were stored; the operator has been told")


@asynccontextmanager
async def open_committed(
    store: ObjectReader, committed: Committed, *, offset: int = 0, length: int | None = None
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes of exactly this content, from ``offset`` on; ``length`` None: to its end.

    Entering raises ObjectLost and what the store raises, as a StrongroomError; so does iterating.
    """
    wanted = committed.size - offset if length is None else length
    with translated():
        try:
            opening = store.open(committed.ref, offset=offset, length=wanted, if_match=committed.etag)
            async with opening as stream:
                _check_object(committed, stream.info)
                whole = wanted == committed.size
                yield (
                    _checked(aiter(stream), committed)
                    if whole
                    else _counted(aiter(stream), committed, wanted)
                )
        except (ObjectNotFound, PreconditionFailed) as error:
            raise damaged("lost", committed) from error


def _check_object(committed: Committed, info: ObjectInfo) -> None:
    """Stores that pass over If-Match, or middleboxes that mix answers up, answer with another object."""
    if info.size != committed.size or (info.etag and info.etag != committed.etag):
        raise damaged("corrupt", committed, size=info.size, etag=info.etag)


async def _checked(body: AsyncIterator[bytes], committed: Committed) -> AsyncIterator[bytes]:
    """One piece behind, so that the last one is kept back until the sum is right."""
    crc32c = size = 0
    held = b""
    async for piece in body:
        crc32c, size = checksums.extend(crc32c, piece), size + len(piece)
        if held:
            yield held
        held = piece
    if (size, crc32c) != (committed.size, committed.crc32c):
        raise damaged("corrupt", committed, size=size, expected=committed.crc32c, actual=crc32c)
    if held:
        yield held


async def _counted(body: AsyncIterator[bytes], committed: Committed, wanted: int) -> AsyncIterator[bytes]:
    """A range: nothing tells its checksum, but how long it is."""
    size = 0
    async for piece in body:
        size += len(piece)
        yield piece
    if size != wanted:
        raise damaged("corrupt", committed, size=size, expected=wanted)
