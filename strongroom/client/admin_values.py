"""Return values of ``client.admin``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from google.protobuf.message import Message

from strongroom.client.files import Usage, moment_of
from strongroom.enum_words import enum_word
from strongroom.metadata.v1 import admin_service_pb2 as pb
from strongroom.metadata.v1 import infected_pb2, replica_pb2
from strongroom.metadata.v1.blob_pb2 import BlobState

UsageOrder: TypeAlias = Literal["bytes", "files", "owner"]
"""Largest first by bytes or files, or by name."""

ORDERS: Final[Mapping[UsageOrder, pb.UsageOrder.ValueType]] = {
    "bytes": pb.USAGE_ORDER_BYTES,
    "files": pb.USAGE_ORDER_FILES,
    "owner": pb.USAGE_ORDER_OWNER,
}


@dataclass(frozen=True, slots=True)
class FamilyUsage:
    """What an owner has in one family; ``project``: all versions of all projects."""

    family: str
    file_count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class OwnerUsage:
    """What one owner has; ``families`` only when it was asked for."""

    usage: Usage
    families: tuple[FamilyUsage, ...]


@dataclass(frozen=True, slots=True)
class AdminAct:
    """An entry of the audit log. ``actor`` empty: the installation itself, finishing what an admin began.

    ``owner_id``: the user it was about; empty if that user was erased, or it was about no user.
    ``owner_sha256`` stays: SHA-256 over the installation's id, a line feed and the user's ``sub``.
    """

    id: int
    act: str
    actor: str
    owner_id: str
    owner_sha256: bytes
    details: Mapping[str, Any]
    outcome: str
    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Erasure:
    """The erasure of a user. ``ended_at`` None: still running, and ``rest`` says what is left.

    ``counts`` and ``rest`` have the names of ``ErasureCounts`` and ``ErasureRest``. ``receipt``: the signed
    JSON document, once it has ended; ``signature`` (Ed25519) covers exactly these bytes, ``public_key``
    verifies it. ``backups_hold_until``: None if the installation does not configure how long it keeps
    backups. ``quarantine_seen_at``: when all of the quarantine had been checked; None: not yet.
    """

    id: str
    owner_sha256: bytes
    begun_at: datetime
    ended_at: datetime | None
    begin_position: str
    end_position: str
    counts: Mapping[str, int]
    rest: Mapping[str, int]
    due_at: datetime | None
    backups_hold_until: datetime | None
    quarantine_seen_at: datetime | None
    receipt: bytes = b""
    signature: bytes = b""
    public_key: bytes = b""


def to_erasure(found: pb.GetErasureResponse | pb.EraseUserResponse) -> Erasure:
    """From the protobuf."""
    erasure = found.erasure
    signed = found if isinstance(found, pb.GetErasureResponse) else pb.GetErasureResponse()
    rest = erasure.rest
    return Erasure(
        id=erasure.id,
        owner_sha256=erasure.owner_sha256,
        begun_at=erasure.begin_time.ToDatetime(UTC),
        ended_at=erasure.end_time.ToDatetime(UTC) if erasure.HasField("end_time") else None,
        begin_position=erasure.begin_position,
        end_position=erasure.end_position,
        counts={one.name: getattr(erasure.counts, one.name) for one in erasure.counts.DESCRIPTOR.fields},
        rest={one: getattr(rest, one) for one in ("objects", "tombstones", "keys", "rows", "failing")},
        due_at=rest.due_time.ToDatetime(UTC) if rest.HasField("due_time") else None,
        quarantine_seen_at=(
            erasure.quarantine_time.ToDatetime(UTC) if erasure.HasField("quarantine_time") else None
        ),
        backups_hold_until=(
            erasure.backups_hold_until.ToDatetime(UTC) if erasure.HasField("backups_hold_until") else None
        ),
        receipt=signed.receipt_json,
        signature=signed.signature,
        public_key=signed.public_key,
    )


@dataclass(frozen=True, slots=True)
class CleanerBacklog:
    """The rows in one state (``deleting``, ``gone``, …); ``oldest_due_at`` None: none is due."""

    state: str
    count: int
    size_bytes: int
    due: int
    failing: int
    oldest_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class CleanerFailure:
    """Attempts that failed for the same reason; ``example_id`` is one of them."""

    failure: str
    count: int
    since: datetime
    most_tries: int
    example_id: str


@dataclass(frozen=True, slots=True)
class CleanerStatus:
    """``replicas``: names, and when each last asked for work; ``now``: the database's clock."""

    now: datetime
    backlog: tuple[CleanerBacklog, ...]
    failures: tuple[CleanerFailure, ...]
    replicas: tuple[tuple[str, datetime], ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An upload in progress, or an object being removed. ``failure`` empty: it has not failed."""

    id: str
    owner_id: str
    state: str
    key: str
    size_bytes: int
    tries: int
    failure: str
    due_at: datetime | None
    lease_expires_at: datetime | None
    created_at: datetime
    state_since: datetime


def _time(message: Message, field: str) -> datetime | None:
    return getattr(message, field).ToDatetime(UTC) if message.HasField(field) else None


def _state(state: BlobState.ValueType) -> str:
    return enum_word(BlobState.DESCRIPTOR, state)


def to_status(found: pb.GetCleanerStatusResponse) -> CleanerStatus:
    """From the protobuf."""
    return CleanerStatus(
        now=found.now.ToDatetime(UTC),
        backlog=tuple(
            CleanerBacklog(
                _state(one.state),
                one.count,
                one.size_bytes,
                one.due,
                one.failing,
                _time(one, "oldest_due_time"),
            )
            for one in found.backlog
        ),
        failures=tuple(
            CleanerFailure(
                one.failure, one.count, one.since_time.ToDatetime(UTC), one.most_tries, one.example_id
            )
            for one in found.failures
        ),
        replicas=tuple((one.name, one.seen_time.ToDatetime(UTC)) for one in found.replicas),
    )


def to_attempt(one: pb.Attempt) -> Attempt:
    """From the protobuf."""
    return Attempt(
        id=one.id,
        owner_id=one.owner_id,
        state=_state(one.state),
        key=one.key,
        size_bytes=one.size_bytes,
        tries=one.tries,
        failure=one.failure,
        due_at=_time(one, "due_time"),
        lease_expires_at=_time(one, "lease_expire_time"),
        created_at=one.create_time.ToDatetime(UTC),
        state_since=one.state_time.ToDatetime(UTC),
    )


def to_owner_usage(found: pb.OwnerUsage) -> OwnerUsage:
    """From the protobuf."""
    families = (FamilyUsage(one.family, one.file_count, one.size_bytes) for one in found.families)
    return OwnerUsage(Usage.from_proto(found.usage), tuple(families))


def to_act(act: pb.AdminAct) -> AdminAct:
    """From the protobuf."""
    return AdminAct(
        id=act.id,
        act=act.act,
        actor=act.actor,
        owner_id=act.owner_id,
        owner_sha256=act.owner_sha256,
        details=json.loads(act.details_json),
        outcome=act.outcome,
        request_id=act.request_id,
        at=act.act_time.ToDatetime(UTC),
    )


@dataclass(frozen=True, slots=True)
class InfectedContent:
    """Infected content; nobody can read it. ``file_id`` empty: a project's file, or an older version.
    ``size`` in bytes.
    """

    owner_id: str
    key: str
    file_id: str
    filename: str
    size: int
    signature: str
    database: str
    found_at: datetime | None

    @classmethod
    def from_proto(cls, one: infected_pb2.InfectedContent) -> InfectedContent:
        """The value for a ``strongroom.metadata.v1.InfectedContent``."""
        return cls(
            one.owner_id,
            one.key,
            one.file_id,
            one.filename,
            one.size_bytes,
            one.signature,
            one.database,
            moment_of(one.scan_time),
        )


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica of storage_service that has reported within a day. ``silent_seconds``: time since its last
    report, which it sends every few seconds. ``draining_since`` None: it is not draining. ``has_heard``: it
    has learnt that it is to drain. ``busy``: loops that are in a pass; ``requests``: in progress.
    """

    name: str
    silent_seconds: float
    draining_since: datetime | None
    has_heard: bool
    busy: tuple[str, ...]
    requests: int

    @property
    def is_idle(self) -> bool:
        """Whether it is draining and has finished what it had started."""
        return self.has_heard and not self.busy and not self.requests


@dataclass(frozen=True, slots=True)
class Reindexed:
    """``owners``: processed so far; ``recounted``: those whose usage or statistics were wrong; ``projects``:
    projects and versions whose totals were wrong.
    """

    owners: int
    recounted: int
    projects: int


def to_replica(found: replica_pb2.Replica, now: datetime) -> Replica:
    """From the protobuf."""
    since = found.drain_time.ToDatetime(UTC) if found.HasField("drain_time") else None
    return Replica(
        name=found.name,
        silent_seconds=max(0.0, (now - found.report_time.ToDatetime(UTC)).total_seconds()),
        draining_since=since,
        has_heard=since is not None and found.draining,
        busy=tuple(found.busy),
        requests=found.requests,
    )
