"""T1, Reserve: one transaction records the intent before any byte is sent to S3 (rule R1)."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from metadata_service import idempotency
from metadata_service.attempts.groups import T1_BEFORE_COMMIT, Groups
from metadata_service.attempts.insertion import INSERT, RETURNING
from metadata_service.blobs.rows import BlobRow
from metadata_service.config import Limits, Timing
from metadata_service.db.database import Database, Row, Transaction, user
from metadata_service.db.errors import UniqueConflict
from metadata_service.files import layouts
from metadata_service.files.carried import Sealing
from metadata_service.files.families import object_metadata, slot_of
from metadata_service.files.preconditions import check_slot
from metadata_service.files.retention import settle_wish, stamp
from metadata_service.files.specs import check_class, normal_spec
from metadata_service.retention_rules import RetentionRules
from metadata_service.shares import drops
from metadata_service.usage import quota
from servicekit import failpoints
from servicekit.telemetry.tracing import origin
from strongroom.errors import DatabaseUnavailable, InvalidField, PreconditionFailed, RetentionHeld
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import ReserveRequest, ReserveResponse
from strongroom.metadata.v1.target_pb2 import UploadSpec

AFTER_COMMIT: Final = failpoints.register("metadata.t1.after_commit")

_KEY_TRIES: Final = 16
_MICROSECOND: Final = timedelta(microseconds=1)
_ANY_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: Errors that are no errors if the request is a repeat that has its answer already. Meanwhile the file may
#: exist or be under retention, a named time may have passed, and a storage class may be configured no longer.
_OVERTAKEN: Final = (InvalidField, PreconditionFailed, RetentionHeld)

_INSERT_FREE: Final = INSERT + RETURNING
_INSERT_CLAIMED: Final = idempotency.WITH_BLOB + INSERT + "FROM held" + RETURNING


@dataclass(frozen=True, slots=True)
class Session:
    """What a resumable upload adds to T1: its lease in seconds, and its row in the same transaction.

    `partial`: it does not become a file, so its object has a key of a layout of its own.
    """

    lease: float
    partial: bool
    insert: Callable[[Transaction, BlobRow], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Wish:
    """A validated Reserve request: the attempt that it would start."""

    owner_id: str
    blob_id: UUID
    spec: UploadSpec
    request: ReserveRequest
    session: Session | None

    @property
    def is_plain(self) -> bool:
        """Whether nothing has to be read before the row is written: no answer, session, slot or clock."""
        target = self.spec.target
        return not (
            self.session is not None
            or self.spec.request_id
            or self.spec.share_id
            or self.is_move
            or self.spec.retention.hold_reason
            or self.spec.HasField("if_generation_match")
            or slot_of(target) is not None
            or layouts.holds_time(target)
        )

    @property
    def is_move(self) -> bool:
        """Whether T4 also deletes the source. It adds nothing then, so nothing is reserved."""
        return self.spec.HasField("moves")

    def for_its_id(self, keep: float) -> idempotency.Request:
        """Its request to the idempotency table; `keep`: how long an answer is kept, seconds."""
        return idempotency.Request(
            self.owner_id, self.spec.request_id, self.request.fingerprint, self.blob_id, keep
        )


class Reserver:
    """Starts attempts."""

    def __init__(
        self,
        database: Database,
        timing: Timing,
        limits: Limits,
        groups: Groups | None = None,
        *,
        sealing: Sealing | None = None,
        retention: RetentionRules | None = None,
        classes: Collection[str] = (),
    ) -> None:
        self._database = database
        self._timing = timing
        self._limits = limits
        self._groups = groups
        self._sealing = sealing
        self._retention = retention or RetentionRules()
        self._classes = classes

    async def reserve(
        self, owner_id: str, request: ReserveRequest, session: Session | None = None, *, asking: str = ""
    ) -> ReserveResponse:
        """Start an attempt, or return the stored answer of an earlier request with the same id.

        The response has a PENDING blob with its key, epoch 1 and a lease, or `replay`. `asking`: `sub` of the
        caller, if not the owner.

        Raises RequestInProgress, IdempotencyKeyReused, QuotaExceeded, FileCountExceeded, PreconditionFailed,
        RetentionHeld, InvalidField, PathInvalid; for a drop also the errors of
        ``drops.check``.
        """
        if request.kind == blob_pb2.BLOB_KIND_UNSPECIFIED:
            raise InvalidField(
                "kind says how the bytes will go to S3; set it.", field="kind", rule="required"
            )
        try:
            response = await self._reserve(owner_id, request, session, asking)
        except _OVERTAKEN:
            spec = request.spec
            earlier = await self.answered(owner_id, spec.request_id, request.fingerprint)
            if earlier is None:
                raise
            response = ReserveResponse(replay=earlier)
        await failpoints.hit(AFTER_COMMIT)
        return response

    async def answered(self, owner_id: str, request_id: str, fingerprint: bytes) -> File | None:
        """The stored answer to a request id; None if there is none. Raises IdempotencyKeyReused."""
        if not request_id:
            return None
        wanted = idempotency.Request(owner_id, request_id, fingerprint, uuid4(), self._timing.idempotency)
        stored = await self._database.transact(user(owner_id), lambda tx: idempotency.answered(tx, wanted))
        return None if stored is None else File.FromString(stored)

    async def _reserve(
        self, owner_id: str, request: ReserveRequest, session: Session | None, asking: str
    ) -> ReserveResponse:
        spec = normal_spec(request.spec, owner_id)
        if spec.HasField("retention"):
            settle_wish(spec.retention, asking or owner_id, of_drop=bool(spec.share_id))
        if request.HasField("moves"):
            spec.moves.CopyFrom(request.moves)
        stamp(spec, self._retention)
        if spec.share_id and spec.storage_class not in self._classes:
            spec.storage_class = ""  # the drop's class is configured no longer, which guests can't change
        check_class(spec.storage_class, self._classes)
        wish = _Wish(owner_id, uuid4(), spec, request, session)
        return await self._in_a_group(wish) or await self._with_a_key_of_its_own(wish)

    async def _in_a_group(self, wish: _Wish) -> ReserveResponse | None:
        """Reserve in a transaction shared with other attempts.

        Returns None if the attempt has to be reserved alone, because something has to be looked up first.
        """
        if self._groups is None or not wish.is_plain or not self._groups.takes(wish.owner_id):
            return None
        columns = {**self._columns(wish, _ANY_TIME), "reserved_files": 1}
        blob = await self._groups.reserve(wish.owner_id, wish.blob_id, columns)
        return ReserveResponse(blob=blob.to_proto()) if blob is not None else None

    async def _with_a_key_of_its_own(self, wish: _Wish) -> ReserveResponse:
        """Reserve in a transaction of its own. Keys of some families contain the time: if two attempts have
        the same microsecond, the later one is repeated with a later time.

        Raises DatabaseUnavailable: no free key was found.
        """
        later = 0
        for tried in range(_KEY_TRIES):
            try:
                return await self._database.transact(
                    user(wish.owner_id), partial(self._in_transaction, wish, later)
                )
            except UniqueConflict as conflict:
                if conflict.constraint != "blobs_exclusive_key":
                    raise
                later += random.randint(1, 2**tried)
        raise DatabaseUnavailable("No free key was found for this upload; try again.", retry_after=1.0)

    async def _in_transaction(self, wish: _Wish, later: int, tx: Transaction) -> ReserveResponse:
        existing = 0
        if wish.spec.share_id:
            await drops.check(tx, wish.owner_id, wish.spec)
        slot = slot_of(wish.spec.target)
        if slot is not None or wish.spec.HasField("if_generation_match"):
            existing = await check_slot(tx, wish.owner_id, slot, wish.spec)
        params = await self._row(tx, wish, later)
        params["reserved_files"] = 0 if existing or wish.is_move or _is_partial(wish) else 1
        inserted, allowed = await self._insert(tx, wish, params)
        if not inserted:
            stored = await self._take_id(tx, wish)
            if stored is not None:
                return ReserveResponse(replay=File.FromString(stored))
            inserted = await tx.fetch(_INSERT_FREE, params)
        if not wish.is_move:
            await quota.ensure_room(tx, wish.owner_id, allowed, wish.blob_id)
        blob = BlobRow(*inserted[0])
        if wish.session is not None:
            await wish.session.insert(tx, blob)
        await failpoints.hit(T1_BEFORE_COMMIT)
        return ReserveResponse(blob=blob.to_proto())

    async def _insert(
        self, tx: Transaction, wish: _Wish, params: dict[str, object]
    ) -> tuple[list[Row], Limits]:
        """Insert the row and read the owner's limits, in one round trip. No row is returned if the request id
        is taken.
        """
        statement = _INSERT_FREE
        if wish.spec.request_id:
            statement = _INSERT_CLAIMED
            params.update(wish.for_its_id(self._timing.idempotency).params())
        inserted, limits = await tx.fetch_batch([(statement, params), quota.read_limits(wish.owner_id)])
        return inserted, quota.limits(limits, self._limits)

    async def _take_id(self, tx: Transaction, wish: _Wish) -> bytes | None:
        """The request id is taken. Returns the stored answer; None if this attempt now holds the id: it
        supersedes the holder, or `idempotency.decide` lets it take over.
        """
        wanted, previous = wish.for_its_id(self._timing.idempotency), wish.request.supersedes_blob_id
        if previous and await idempotency.move(tx, wanted, UUID(previous)):
            return None
        return await idempotency.decide(tx, wanted)

    async def _row(self, tx: Transaction, wish: _Wish, later: int) -> dict[str, object]:
        holds_time = layouts.holds_time(wish.spec.target)
        return self._columns(wish, await _moment(tx) + later * _MICROSECOND if holds_time else _ANY_TIME)

    def _columns(self, wish: _Wish, at: datetime) -> dict[str, object]:
        """The new blob's columns. A file without a name is named by the last segment of its key."""
        spec = UploadSpec()
        spec.CopyFrom(wish.spec)
        extension = layouts.extension_of(spec.filename, spec.content_type)
        attempt = layouts.Attempt(wish.owner_id, wish.blob_id, at, extension)
        key = layouts.object_key(spec.target, attempt)
        if _is_partial(wish):
            key = layouts.partial_key(attempt)
        spec.filename = spec.filename or key.text.rpartition("/")[2]
        return {
            "owner": wish.owner_id,
            "id": wish.blob_id,
            "kind": wish.request.kind,
            "key": key.text,
            "key_shared": key.shared,
            "part_size": wish.request.part_size_bytes,
            "content_type": spec.content_type,
            "spec": spec.SerializeToString(),
            "object_metadata": Jsonb(object_metadata(spec, attempt, self._sealing)),
            "request_id": spec.request_id,
            "storage_class": spec.storage_class,
            "traceparent": origin(),
            "reserved_bytes": spec.size_bytes if spec.HasField("size_bytes") and not wish.is_move else 0,
            "lease": wish.session.lease if wish.session is not None else self._timing.lease,
        }


def _is_partial(wish: _Wish) -> bool:
    return wish.session is not None and wish.session.partial


async def _moment(tx: Transaction) -> datetime:
    """The current time in UTC by the database's clock: the clocks of processes may differ."""
    row = await tx.fetch_one("SELECT now()")
    if row is None:
        raise AssertionError("a SELECT without FROM answers one row")
    moment: datetime = row[0]
    return moment.astimezone(UTC)
