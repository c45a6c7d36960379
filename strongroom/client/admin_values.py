"""Values of administration: what the client answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from strongroom.client.files import Usage
from strongroom.metadata.v1 import admin_service_pb2 as pb

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
    """Something that an admin has done. ``actor`` empty: the installation, ending what an admin began.

    ``owner_id``: whom it was about; empty when that user was erased, or it was about nobody. ``owner_sha256``
    stays: SHA-256 over the installation's id, a line feed and the user's ``sub``.
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
    """All that a user had, on its way out. ``ended_at`` None: under way, and ``rest`` says what is left.

    ``counts`` and ``rest``: by the names of ``ErasureCounts`` and ``ErasureRest``. ``receipt``: once it has
    ended, the signed JSON document; ``signature`` (Ed25519) is of exactly these bytes, ``public_key`` checks
    it. ``backups_hold_until``: None when the installation does not say how long it keeps backups.
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
        backups_hold_until=(
            erasure.backups_hold_until.ToDatetime(UTC) if erasure.HasField("backups_hold_until") else None
        ),
        receipt=signed.receipt_json,
        signature=signed.signature,
        public_key=signed.public_key,
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
