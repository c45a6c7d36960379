"""Group commit: T1 and T4 of many attempts in one transaction and one round trip each (docs/decisions/0026).

It serves attempts that need no look-up first: they have no request id, session, slot or precondition, and
their owner has no limits (for T4: or T1 has reserved the space). All others run alone, and so does each
attempt whose statement changes nothing. Each attempt keeps its compare-and-set, each owner's statements run
as that owner, and no caller gets an answer before COMMIT is answered.

Locks are taken in the order of owners, within an owner in the order of blobs, and then on the owner's usage.
So there is no deadlock between two groups, or between a group and the transaction of a single owner.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import attrgetter
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from metadata_service.attempts.gathering import Gathering, GroupMetrics
from metadata_service.attempts.insertion import INSERT, RETURNING
from metadata_service.blobs import scans
from metadata_service.blobs.rows import BlobRow, Handle
from metadata_service.blobs.transitions import AT_EPOCH, COMMIT
from metadata_service.config import Limits
from metadata_service.db.database import Database, NothingCommitted, Part, Row, Statement
from metadata_service.events import outbox
from metadata_service.files import events
from metadata_service.files.creation import INSERT_OF_DONE, date, undated_file
from metadata_service.files.families import Placed
from metadata_service.files.links import EPOCH_OF_DONE
from metadata_service.files.retention import holds_lock, keeps, wish_params
from metadata_service.usage import quota
from servicekit import failpoints
from servicekit.presentation import with_charset
from servicekit.telemetry.tracing import origin
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import CommitRequest
from strongroom.metadata.v1.scan_pb2 import Scan

#: Most attempts and largest spec in `Begun`: together at most 16 MiB.
ATTEMPTS: Final = 2048
SPEC_BYTES: Final = 8192
#: Seconds for which an owner is not tried in a group again after a group could not serve it.
REFUSED_SECONDS: Final = 30.0


class Begun:
    """The newest attempts that T1 of this process has written, kept for T4.

    With the row at hand, T4 writes the file in the statement of the compare-and-set and does not read the
    attempt first. The statement compares the remembered values, so stale ones do no harm. An attempt that is
    not here (begun by another process, or evicted) costs T4 one more round trip.
    """

    def __init__(self, room: int = ATTEMPTS) -> None:
        self._room = room
        self._rows: OrderedDict[tuple[str, UUID], BlobRow] = OrderedDict()

    def add(self, blob: BlobRow) -> None:
        """Remember an attempt, unless its spec is large; evicts the oldest one if there are too many."""
        if len(blob.spec) > SPEC_BYTES:
            return
        self._rows[blob.owner_id, blob.id] = blob
        if len(self._rows) > self._room:
            self._rows.popitem(last=False)

    def take(self, owner_id: str, blob_id: UUID) -> BlobRow | None:
        """Remove and return the attempt as T1 wrote it; None if it is not here."""
        return self._rows.pop((owner_id, blob_id), None)


class Refused:
    """Owners whose attempts a group could not write lately: they have limits, or one of their statements
    failed.
    """

    def __init__(self, room: int = ATTEMPTS) -> None:
        self._room = room
        self._until: OrderedDict[str, float] = OrderedDict()

    def add(self, owner_id: str) -> None:
        """Remember that a group has just failed to serve this owner."""
        self._until[owner_id] = time.monotonic() + REFUSED_SECONDS
        self._until.move_to_end(owner_id)
        if len(self._until) > self._room:
            self._until.popitem(last=False)

    def has(self, owner_id: str) -> bool:
        """Whether the owner was refused within the last REFUSED_SECONDS."""
        until = self._until.get(owner_id)
        return until is not None and time.monotonic() < until


#: The rows are written and COMMIT is not sent, alone or in a group.
T1_BEFORE_COMMIT: Final = failpoints.register("metadata.t1.before_commit")
T4_BEFORE_COMMIT: Final = failpoints.register("metadata.t4.before_commit")
#: COMMIT is answered, and no member has its answer yet.
T1_AFTER_COMMIT: Final = failpoints.register("metadata.t1.group.after_commit")
T4_AFTER_COMMIT: Final = failpoints.register("metadata.t4.group.after_commit")

_RESERVE: Final = f"{INSERT}WHERE {quota.UNLIMITED}{RETURNING}"
_DONE: Final = f"""
WITH done AS (
    {COMMIT.of(AT_EPOCH)}
    AND spec = %(spec)s AND (reserved_files = 1 AND reserved_bytes >= %(size)s OR {quota.UNLIMITED})
    RETURNING blobs.owner_id, blobs.id, blobs.key
), made AS ({INSERT_OF_DONE}), told AS ({outbox.APPEND_OF_DONE})"""
_COMMIT: Final = f"{_DONE}\nSELECT now(), {EPOCH_OF_DONE} FROM done\n"
_COMMIT_SCANNED: Final = (
    f"{_DONE}, noted AS ({scans.NOTE_OF_DONE})\nSELECT now(), {EPOCH_OF_DONE} FROM done\n"
)


@dataclass(frozen=True, slots=True)
class Reservation:
    """T1 of one attempt. `columns`: parameters of its row (`insertion.INSERT`)."""

    owner_id: str
    blob_id: UUID
    columns: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Commit:
    """T4 of one attempt.

    `blob`: the row as T1 wrote it, with the size, checksum and tag of the commit. `file`: the file, without
    the times, which the transaction sets. `traceparent`: trace context of the request, which the group's own
    context does not have.
    """

    handle: Handle
    blob: BlobRow
    placed: Placed
    file_id: UUID
    file: File
    scan: Scan | None
    traceparent: str | None

    @property
    def is_kept(self) -> bool:
        """Whether the file is protected from its owner's erasure (retention)."""
        return keeps(self.placed.spec.retention)

    def statement(self) -> Statement:
        """The statement that compares and sets, and writes the file and its event.

        It returns one row, the time and the owner's link epoch, or none if it changed nothing.
        """
        blob, spec, file = self.blob, self.placed.spec, self.file
        noted = {} if self.scan is None else scans.params(self.scan)
        return _COMMIT if self.scan is None else _COMMIT_SCANNED, self.handle.params(
            size=blob.size_bytes,
            crc32c=blob.crc32c,
            etag=blob.etag,
            version_id=blob.version_id,
            file_id=self.file_id,
            spec=blob.spec,
            family=file.family,
            filename=file.filename,
            content_type=with_charset(file.content_type, file.charset),
            metadata=Jsonb(dict(file.metadata)),
            visibility=file.visibility,
            **wish_params(spec.retention, self.handle.owner_id),
            **events.ready_params(file),
            traceparent=self.traceparent,
            **noted,
        )


class Groups:
    """T1 and T4 of many attempts together. `limits`: those of an owner without limits of its own."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._unlimited = limits.unlimited
        self._begun = Begun()
        self._refused = Refused()
        self._reserving = Gathering(self._reserve_all)
        self._committing = Gathering(self._commit_all)
        self.metrics = GroupMetrics({"reserve": self._reserving, "commit": self._committing})

    def takes(self, owner_id: str) -> bool:
        """Whether `reserve` is worth calling: there are no default limits, and the owner was not refused
        lately.
        """
        return self._unlimited and not self._refused.has(owner_id)

    async def reserve(self, owner_id: str, blob_id: UUID, columns: Mapping[str, object]) -> BlobRow | None:
        """Reserve in a group. Returns the new attempt; None: nothing was written, try it alone.

        Raises DatabaseUnavailable: it may have been written; then the cleaner finds it.
        """
        blob = await self._reserving.ask(owner_id, Reservation(owner_id, blob_id, columns))
        if blob is not None:
            self._begun.add(blob)
        return blob

    async def commit(self, handle: Handle, request: CommitRequest) -> File | None:
        """Commit in a group. Returns the file; None: nothing was changed, try it alone.

        Raises DatabaseUnavailable: the outcome is unknown, ask again.
        """
        begun = self._begun.take(handle.owner_id, handle.blob_id)
        if begun is None or request.doubtful or self._refused.has(handle.owner_id):
            return None
        placed = Placed(begun.upload_spec(), handle.owner_id)
        if placed.spec.HasField("size_bytes") and placed.spec.size_bytes != request.size_bytes:
            return None
        blob = begun._replace(
            size_bytes=request.size_bytes,
            crc32c=request.crc32c,
            etag=request.etag,
            version_id=request.version_id,
        )
        scan = request.scan if request.HasField("scan") else None
        file = undated_file(blob, placed, handle.blob_id)
        wish = Commit(handle, blob, placed, handle.blob_id, file, scan, origin())
        return await self._committing.ask(handle.owner_id, wish)

    async def drained(self) -> None:
        """Wait until all running groups have ended. Call it when no more attempts will come."""
        await self._reserving.drained()
        await self._committing.drained()

    async def _reserve_all(self, wishes: Sequence[Reservation]) -> list[BlobRow | None]:
        ordered = sorted(wishes, key=attrgetter("owner_id", "blob_id"))
        parts = [  # each statement returns the row, or none if the owner has limits
            Part(owner_id, [(_RESERVE, wish.columns) for wish in theirs])
            for owner_id, theirs in groupby(ordered, attrgetter("owner_id"))
        ]
        results = await self._together(parts, T1_BEFORE_COMMIT)
        await failpoints.hit(T1_AFTER_COMMIT)
        answers = zip(ordered, chain.from_iterable(results), strict=True)
        written = {wish.blob_id: BlobRow(*rows[0]) for wish, rows in answers if rows}
        for wish in wishes:
            if wish.blob_id not in written:  # the owner has limits
                self._refused.add(wish.owner_id)
        return [written.get(wish.blob_id) for wish in wishes]

    async def _commit_all(self, wishes: Sequence[Commit]) -> list[File | None]:
        ordered = sorted(wishes, key=attrgetter("handle.owner_id", "handle.blob_id"))
        parts, before = [], []
        for owner_id, owned in groupby(ordered, attrgetter("handle.owner_id")):
            theirs = list(owned)
            locks = [holds_lock(owner_id)] if any(wish.is_kept for wish in theirs) else []
            statements = [*locks, *(wish.statement() for wish in theirs)]
            statements.append(quota.count_new(owner_id, [wish.file_id for wish in theirs]))
            parts.append(Part(owner_id, statements))
            before.append(len(locks))
        results = await self._together(parts, T4_BEFORE_COMMIT)
        await failpoints.hit(T4_AFTER_COMMIT)
        moments = [
            answer for answers, first in zip(results, before, strict=True) for answer in answers[first:-1]
        ]
        made = {
            wish.file_id: _file(wish, answer) for wish, answer in zip(ordered, moments, strict=True) if answer
        }
        return [made.get(wish.file_id) for wish in wishes]

    async def _together(self, parts: Sequence[Part], before_commit: str) -> list[list[list[Row]]]:
        """Run the parts as Database.together does. If a statement fails, its owner is refused for a while."""
        try:
            return await self._database.together(parts, lambda: failpoints.hit(before_commit))
        except NothingCommitted as nothing:
            if nothing.owner_id is not None:
                self._refused.add(nothing.owner_id)
            raise


def _file(wish: Commit, rows: list[Row]) -> File:
    at, link_epoch = rows[0]
    date(wish.file, wish.placed, at, link_epoch)
    if wish.scan is not None:
        wish.file.scan.CopyFrom(wish.scan)
    return wish.file
