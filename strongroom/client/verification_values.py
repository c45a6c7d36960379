"""Return values of ``client.verifications``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from strongroom.enum_words import enum_word
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.storage.v1 import verify_pb2 as wire

Depth: TypeAlias = Literal["listings", "heads", "bytes"]
"""How closely objects are checked: by listing; also their metadata; also their bytes."""

DEPTHS: Final[Mapping[Depth, pb.VerificationDepth.ValueType]] = {
    "listings": pb.VERIFICATION_DEPTH_LISTINGS,
    "heads": pb.VERIFICATION_DEPTH_HEADS,
    "bytes": pb.VERIFICATION_DEPTH_BYTES,
}


@dataclass(frozen=True, slots=True)
class Verification:
    """One run. ``state``: ``running``, ``finished``, ``failed`` (it has not seen everything; ``failure`` says
    why).

    ``findings``: number of each kind. ``report``: the signed JSON document, once it has ended; ``signature``
    (Ed25519) covers exactly these bytes, ``public_key`` verifies it.
    """

    id: str
    state: str
    depth: str
    begun_at: datetime
    ended_at: datetime | None
    begin_position: str
    end_position: str
    failure: str
    shards: int
    shards_done: int
    counts: Mapping[str, int]
    findings: Mapping[str, int]
    report: bytes = b""
    signature: bytes = b""
    public_key: bytes = b""

    @property
    def is_clean(self) -> bool:
        """Whether the run has seen everything and found nothing."""
        return self.state == "finished" and not self.findings


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between rows and objects; fields that do not apply are empty. ``line``: the JSON of the
    digest; ``proposal``: what a repair would do.
    """

    number: int
    kind: str
    owner_id: str
    blob_id: str
    row: str
    key: str
    version_id: str
    upload_id: str
    size_bytes: int
    expected: str
    found: str
    line: bytes
    proposal: str = "none"


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair did about one finding. ``action``: ``quarantine``, ``relink``, …, ``none``; ``outcome``:
    ``done``, ``outdated`` (it no longer holds), ``left`` (``detail`` says what to do), ``failed`` (repair
    again).
    """

    finding: Finding
    action: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An object in quarantine. ``why``: the finding's kind; ``purge_at``: when it is removed for good.
    ``is_readable`` False: only its id and times are known, and it can't be restored.
    """

    id: str
    key: str
    version_id: str
    size_bytes: int
    crc32c: int
    content_type: str
    metadata: Mapping[str, str]
    why: str
    run_id: str
    moved_at: datetime
    purge_at: datetime
    is_readable: bool = True


def to_verification(run: pb.Verification, report: bytes, signature: bytes, public_key: bytes) -> Verification:
    """From the protobuf."""
    return Verification(
        id=run.id,
        state=enum_word(pb.VerificationState.DESCRIPTOR, run.state),
        depth=enum_word(pb.VerificationDepth.DESCRIPTOR, run.depth),
        begun_at=run.begin_time.ToDatetime(UTC),
        ended_at=run.end_time.ToDatetime(UTC) if run.HasField("end_time") else None,
        begin_position=run.begin_position,
        end_position=run.end_position,
        failure=run.failure,
        shards=run.shards,
        shards_done=run.shards_done,
        counts={field.name: getattr(run.counts, field.name) for field in run.counts.DESCRIPTOR.fields},
        findings={kind_name(found.kind): found.count for found in run.findings},
        report=report,
        signature=signature,
        public_key=public_key,
    )


def to_finding(finding: pb.Finding, line: bytes, action: int = 0) -> Finding:
    """From the protobuf."""
    return Finding(
        number=finding.number,
        kind=kind_name(finding.kind),
        owner_id=finding.owner_id,
        blob_id=finding.blob_id,
        row=finding.row,
        key=finding.key,
        version_id=finding.version_id,
        upload_id=finding.upload_id,
        size_bytes=finding.size_bytes,
        expected=finding.expected,
        found=finding.found,
        line=line,
        proposal=enum_word(wire.RepairAction.DESCRIPTOR, action) if action else "none",
    )


def to_repair(message: wire.RepairFindingsResponse) -> Repair:
    """From the protobuf."""
    return Repair(
        finding=to_finding(message.finding, b"", message.action),
        action=enum_word(wire.RepairAction.DESCRIPTOR, message.action),
        outcome=enum_word(wire.RepairOutcome.DESCRIPTOR, message.outcome),
        detail=message.detail,
    )


def to_quarantined(found: wire.QuarantinedObject) -> Quarantined:
    """From the protobuf."""
    return Quarantined(
        id=found.id,
        key=found.key,
        version_id=found.version_id,
        size_bytes=found.size_bytes,
        crc32c=found.crc32c,
        content_type=found.content_type,
        metadata=dict(found.metadata),
        why=found.why,
        run_id=found.run_id,
        moved_at=found.move_time.ToDatetime(UTC),
        purge_at=found.purge_time.ToDatetime(UTC),
        is_readable=not found.unreadable,
    )


def kind_name(kind: int) -> str:
    """Return the name in lower case: ``object_missing``."""
    return enum_word(pb.FindingKind.DESCRIPTOR, kind)
