"""Values of verification: what the client answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from google.protobuf.descriptor import EnumDescriptor

from strongroom.metadata.v1 import verification_pb2 as pb

Depth: TypeAlias = Literal["listings", "heads", "bytes"]
"""How closely objects are looked at: as the listing says them; and their metadata; and their bytes."""

DEPTHS: Final[Mapping[Depth, pb.VerificationDepth.ValueType]] = {
    "listings": pb.VERIFICATION_DEPTH_LISTINGS,
    "heads": pb.VERIFICATION_DEPTH_HEADS,
    "bytes": pb.VERIFICATION_DEPTH_BYTES,
}


@dataclass(frozen=True, slots=True)
class Verification:
    """One run. ``state``: ``running``, ``finished``, ``failed`` (it has not seen all; ``failure`` says why).

    ``findings``: how many of each kind. ``report``: once it has ended, the signed JSON document;
    ``signature`` (Ed25519) is of exactly these bytes, ``public_key`` checks it.
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
        """Everything was looked at, and all of it is right."""
        return self.state == "finished" and not self.findings


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be; empty fields do not apply. ``line``: the JSON of the digest."""

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


def to_verification(run: pb.Verification, report: bytes, signature: bytes, public_key: bytes) -> Verification:
    """From the protobuf."""
    return Verification(
        id=run.id,
        state=_word(pb.VerificationState.DESCRIPTOR, run.state, "VERIFICATION_STATE_"),
        depth=_word(pb.VerificationDepth.DESCRIPTOR, run.depth, "VERIFICATION_DEPTH_"),
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


def to_finding(finding: pb.Finding, line: bytes) -> Finding:
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
    )


def kind_name(kind: int) -> str:
    """In small letters; of a kind that this release does not know, its number."""
    return _word(pb.FindingKind.DESCRIPTOR, kind, "FINDING_KIND_")


def _word(enum: EnumDescriptor, number: int, prefix: str) -> str:
    """As ``kind_name``: a name without what all names of its enum begin with."""
    value = enum.values_by_number.get(number)
    return str(number) if value is None else value.name.removeprefix(prefix).lower()
