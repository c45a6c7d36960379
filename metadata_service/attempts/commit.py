"""T4, Commit: one transaction makes an attempt's object visible and decides which of several attempts at one
request wins (rule R6).
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from metadata_service import idempotency
from metadata_service.attempts.groups import T4_BEFORE_COMMIT, Groups
from metadata_service.blobs import scans, transitions, upkeep
from metadata_service.blobs.rows import BlobRow, Handle
from metadata_service.blobs.states import ABORTING, COMPLETING, GONE, PENDING
from metadata_service.config import Limits, Timing
from metadata_service.db.database import Database, Statement, Transaction, user
from metadata_service.db.errors import UniqueConflict
from metadata_service.files import creation, events
from metadata_service.files.deletion import moved_away
from metadata_service.files.families import Placed, insert_details
from metadata_service.files.layouts import PARTIALS
from metadata_service.files.links import EPOCH_OF_BLOB
from metadata_service.files.preconditions import check_generation
from metadata_service.files.retention import note_hold
from metadata_service.shares import drops
from metadata_service.usage import quota, tallies
from servicekit import failpoints
from strongroom.errors import (
    ChecksumMismatch,
    DatabaseUnavailable,
    FileCountExceeded,
    FileNotFound,
    InvalidField,
    PreconditionFailed,
    QuotaExceeded,
    RetentionHeld,
    SizeMismatch,
    StrongroomError,
    UploadSuperseded,
)
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import CommitRequest, CommitResponse
from strongroom.metadata.v1.scan_pb2 import Scan

AFTER_COMMIT: Final = failpoints.register("metadata.t4.after_commit")

_SLOT_TRIES: Final = 5
#: Errors that would occur again at each repetition. The attempt is given up at once; otherwise the cleaner
#: would try to roll it forward for ever.
_FINAL: Final = (
    *(PreconditionFailed, QuotaExceeded, FileCountExceeded, SizeMismatch, RetentionHeld, FileNotFound),
    *drops.REFUSALS,
)

KeepPartial: TypeAlias = Callable[[Transaction, BlobRow, Timing, Limits], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Committed:
    """The result of the compare-and-set."""

    blob: BlobRow
    placed: Placed
    at: datetime
    allowed: Limits
    link_epoch: int
    scan: Scan | None


@dataclass(frozen=True, slots=True)
class _Shown:
    """The file, the statements that make it visible, and by how much they raise the owner's usage."""

    file: File
    statements: list[Statement]
    grown_bytes: int
    grown_files: int


class Committer:
    """Commits attempts.

    `keep_partial`: what T4 does with a partial upload, which does not become a file.
    """

    def __init__(
        self,
        database: Database,
        timing: Timing,
        limits: Limits,
        keep_partial: KeepPartial,
        groups: Groups | None = None,
    ) -> None:
        self._database = database
        self._timing = timing
        self._limits = limits
        self._keep_partial = keep_partial
        self._groups = groups

    async def commit(self, request: CommitRequest) -> CommitResponse:
        """Commit an attempt. Returns its file, also when repeated, or the file of the attempt that won the
        request.

        Raises UploadSuperseded, InvalidField, ChecksumMismatch; and, after giving the attempt up,
        PreconditionFailed, QuotaExceeded, FileCountExceeded, SizeMismatch, RetentionHeld, FileNotFound (the
        source of a move) and ``drops.REFUSALS``.
        """
        handle = Handle.of(request.blob)
        try:
            response = await self._in_a_group(handle, request) or await self._commit(handle, request)
        except _FINAL:  # possibly because another attempt has won the request
            winner = await self._database.transact(user(handle.owner_id), lambda tx: _winner(tx, handle))
            if winner is None:
                await self._give_up(handle)
                raise
            response = CommitResponse(file=winner, lost_to_other_attempt=True)
        if response.lost_to_other_attempt:
            await self._give_up(handle)
        await failpoints.hit(AFTER_COMMIT)
        return response

    async def _in_a_group(self, handle: Handle, request: CommitRequest) -> CommitResponse | None:
        """Commit in a transaction shared with other attempts.

        Returns None if the attempt has to be committed alone: it is not plain, or the compare-and-set changed
        nothing.
        """
        if self._groups is None:
            return None
        file = await self._groups.commit(handle, request)
        return CommitResponse(file=file) if file is not None else None

    async def _commit(self, handle: Handle, request: CommitRequest) -> CommitResponse:
        """Commit in a transaction of its own. Repeated if two first uploads to one slot commit at the same
        time: the later one then finds the file and replaces it.
        """
        for _ in range(_SLOT_TRIES):
            try:
                return await self._database.transact(
                    user(handle.owner_id), lambda tx: self._in_transaction(tx, handle, request)
                )
            except UniqueConflict as conflict:
                if conflict.constraint != "files_slot":
                    raise
        raise DatabaseUnavailable("Too many uploads to one place at once; try again.", retry_after=1.0)

    async def _in_transaction(
        self, tx: Transaction, handle: Handle, request: CommitRequest
    ) -> CommitResponse:
        file_id = handle.blob_id  # so that the object's key or metadata names the file, too
        done = await self._compare_and_set(tx, handle, request, file_id)
        if done is None:
            return await _explain(tx, handle, request)
        _check_declared(done.placed, request)
        if done.scan is not None:
            await tx.execute(*scans.note(handle.owner_id, [(handle.blob_id, done.scan)]))
        if done.placed.spec.share_id:
            await drops.count(tx, handle.owner_id, done.placed.spec, request.size_bytes)
        if request.doubtful:
            await tx.execute(
                *transitions.look_again(handle.owner_id, [handle.blob_id], self._timing.tombstone_grace)
            )
        if done.blob.key.startswith(PARTIALS):
            await self._keep_partial(tx, done.blob, self._timing, done.allowed)
            return CommitResponse()
        shown = await self._new_file(tx, done, file_id)
        file = shown.file
        await note_hold(tx, handle.owner_id, done.placed.spec.retention, {"file": file.id})
        grows = shown.grown_bytes > done.blob.reserved_bytes or shown.grown_files > done.blob.reserved_files
        regrows = done.placed.slot is not None and shown.grown_bytes > 0
        if done.blob.request_id or ((grows or regrows) and not done.allowed.unlimited):
            winner = await self._write(tx, done, shown.statements)
            if winner is not None:
                tx.undo()
                return CommitResponse(file=winner, lost_to_other_attempt=True)
            if grows:
                await quota.ensure_room(tx, handle.owner_id, done.allowed)
            elif regrows:
                await quota.ensure_use(tx, handle.owner_id, done.allowed)
        else:
            tx.with_commit(shown.statements)
        await failpoints.hit(T4_BEFORE_COMMIT)
        return CommitResponse(file=file)

    @staticmethod
    async def _write(tx: Transaction, done: _Committed, statements: list[Statement]) -> File | None:
        """Make the file visible. Returns the file of the attempt that has answered the same request before,
        if there is one.
        """
        counts = await tx.batch(statements)
        if done.blob.request_id and not counts[0]:
            return await idempotency.winner(tx, done.blob)
        return None

    async def _compare_and_set(
        self, tx: Transaction, handle: Handle, request: CommitRequest, file_id: UUID
    ) -> _Committed | None:
        statement = transitions.commit(
            handle,
            size=request.size_bytes,
            crc32c=request.crc32c,
            etag=request.etag,
            version_id=request.version_id,
            file_id=file_id,
            answer=EPOCH_OF_BLOB,
        )
        rows, limits = await tx.fetch_batch([statement, quota.read_limits(handle.owner_id)])
        if not rows:
            return None
        *row, at, link_epoch = rows[0]
        blob = BlobRow(*row)
        placed = Placed(blob.upload_spec(), handle.owner_id)
        scan = request.scan if request.HasField("scan") else None
        return _Committed(blob, placed, at, quota.limits(limits, self._limits), link_epoch, scan)

    async def _new_file(self, tx: Transaction, done: _Committed, file_id: UUID) -> _Shown:
        """The file, and the statements that make it visible. The answer to the request id, if there is one,
        comes first.
        """
        current = await creation.lock_slot(tx, done.blob.owner_id, done.placed.slot)
        if done.placed.spec.HasField("if_generation_match"):
            check_generation(done.placed.spec.if_generation_match, current.generation if current else 0)
        file = creation.build_file(done.blob, done.placed, done.at, file_id, owner_link_epoch=done.link_epoch)
        if done.scan is not None:
            file.scan.CopyFrom(done.scan)
        statements = become_visible(
            file, done.blob, done.placed, done.at, current, read_grace=self._timing.read_grace
        )
        size, count = _growth(file, current)
        if done.placed.spec.HasField("moves"):
            source, removal = await moved_away(
                *(tx, done.blob.owner_id, done.placed.spec.moves),
                current.file_id if current else None,
                self._timing.read_grace,
            )
            statements[-1:-1] = removal
            if removal:
                size, count = size - source.size_bytes, count - 1
        if done.blob.request_id:
            statements.insert(0, idempotency.answer(done.blob, file, self._timing.idempotency))
        return _Shown(file, statements, size, count)

    async def _give_up(self, handle: Handle) -> None:
        with contextlib.suppress(UploadSuperseded):  # another process holds it, and will end it
            await self._database.transact(user(handle.owner_id), lambda tx: transitions.abandon(tx, handle))


def become_visible(
    file: File,
    blob: BlobRow,
    placed: Placed,
    at: datetime,
    current: creation.Occupant | None,
    *,
    read_grace: float,
) -> list[Statement]:
    """The statements that show `blob`, just committed, as `file`.

    It is a new file made `at`, or the next generation of `current`, whose id `file` takes over. The last
    statement updates the owner's usage.
    """
    if current is None:
        statements = [creation.insert_file(file, blob, placed, at)]
        statements += [*insert_details(file), *tallies.became_visible(file)]
    else:
        creation.take_over(file, current)
        statements = [
            creation.replace(file, blob, placed),
            transitions.delete(file.owner_id, current.blob_id, read_grace),
            upkeep.set_file(blob, current.file_id, file.generation),
        ]
    return [*statements, events.file_ready(file), quota.count(file.owner_id, *_growth(file, current))]


def _growth(file: File, current: creation.Occupant | None) -> tuple[int, int]:
    """By how many bytes and files it raises its owner's usage."""
    return (file.size_bytes - current.size_bytes, 0) if current else (file.size_bytes, 1)


def _check_declared(placed: Placed, request: CommitRequest) -> None:
    """Raise SizeMismatch if the stored size is not the declared one; storage_service has checked
    it before.
    """
    spec = placed.spec
    if spec.HasField("size_bytes") and spec.size_bytes != request.size_bytes:
        raise SizeMismatch(
            f"{spec.size_bytes} bytes were declared and {request.size_bytes} stored.",
            metadata={"expected": str(spec.size_bytes), "actual": str(request.size_bytes)},
        )


async def _winner(tx: Transaction, handle: Handle) -> File | None:
    found = await transitions.read(tx, handle)
    return None if found is None else await idempotency.winner(tx, found)


async def _explain(tx: Transaction, handle: Handle, request: CommitRequest) -> CommitResponse:
    """Find out why the compare-and-set changed nothing: a repeat, or a request that another attempt has won.

    Raises UploadSuperseded, InvalidField, ChecksumMismatch.
    """
    found = await transitions.read(tx, handle)
    if found is None:
        raise transitions.superseded()
    ours = found.epoch == handle.epoch
    if ours and found.file_id is not None:
        return CommitResponse(file=await creation.committed_file(tx, found))
    other = await idempotency.winner(tx, found)
    if other is not None and found.state in {ABORTING, GONE}:
        return CommitResponse(file=other, lost_to_other_attempt=True)
    raise _misfit(found, request) if ours else transitions.superseded()


def _misfit(found: BlobRow, request: CommitRequest) -> StrongroomError:
    """The error for the caller's own attempt in a state that this commit does not fit."""
    if found.state == PENDING:
        return InvalidField(
            "A multipart upload begins its completion first (T3).", field="blob", rule="state"
        )
    if found.state == COMPLETING:
        return ChecksumMismatch(
            "The object is not what its completion announced.",
            metadata={
                "algorithm": "crc32c",
                "expected": f"{found.crc32c:08x} ({found.size_bytes} bytes)",
                "actual": f"{request.crc32c:08x} ({request.size_bytes} bytes)",
            },
        )
    return transitions.superseded()
