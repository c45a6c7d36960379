"""The action of a repair for each kind of finding, and the outcomes of a repair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.storage.v1 import verify_pb2 as wire

Kind: TypeAlias = "pb.FindingKind.ValueType"
Action: TypeAlias = "wire.RepairAction.ValueType"

ORDER: Final[tuple[frozenset[Kind], ...]] = (
    frozenset(
        {
            pb.FINDING_KIND_OBJECT_MISSING,
            pb.FINDING_KIND_VERSION_MISMATCH,
            pb.FINDING_KIND_ETAG_MISMATCH,
            pb.FINDING_KIND_SIZE_MISMATCH,
            pb.FINDING_KIND_CHECKSUM_MISMATCH,
            pb.FINDING_KIND_METADATA_MISMATCH,
            pb.FINDING_KIND_MARK_OUTDATED,
        }
    ),
    frozenset(
        {
            pb.FINDING_KIND_BLOB_WITHOUT_FILE,
            pb.FINDING_KIND_FILE_WITHOUT_BLOB,
            pb.FINDING_KIND_FILE_DIFFERS,
            pb.FINDING_KIND_DETAIL_MISSING,
        }
    ),
    frozenset(
        {
            pb.FINDING_KIND_OBJECT_ORPHANED,
            pb.FINDING_KIND_FOREIGN_VERSION,
            pb.FINDING_KIND_DELETE_MARKER,
        }
    ),
    frozenset(
        {
            pb.FINDING_KIND_UPLOAD_ABANDONED,
            pb.FINDING_KIND_SEGMENT_MISSING,
            pb.FINDING_KIND_QUARANTINE_DAMAGED,
        }
    ),
    frozenset({pb.FINDING_KIND_USAGE_DRIFT, pb.FINDING_KIND_TALLY_DRIFT}),
)
"""Findings are repaired in this order.

Rows come first: an unowned version may be the one that a row has lost. Uploads come after objects,
because Swift keeps an object's parts with its upload. Sums come last, because the other repairs change them.
"""

PROPOSED: Final[Mapping[Kind, Action]] = {
    pb.FINDING_KIND_OBJECT_MISSING: wire.REPAIR_ACTION_RELINK,
    pb.FINDING_KIND_VERSION_MISMATCH: wire.REPAIR_ACTION_RELINK,
    pb.FINDING_KIND_ETAG_MISMATCH: wire.REPAIR_ACTION_RELINK,
    pb.FINDING_KIND_SIZE_MISMATCH: wire.REPAIR_ACTION_RELINK,
    pb.FINDING_KIND_CHECKSUM_MISMATCH: wire.REPAIR_ACTION_RELINK,
    pb.FINDING_KIND_METADATA_MISMATCH: wire.REPAIR_ACTION_REWRITE,
    pb.FINDING_KIND_MARK_OUTDATED: wire.REPAIR_ACTION_UNMARK,
    pb.FINDING_KIND_BLOB_WITHOUT_FILE: wire.REPAIR_ACTION_RETIRE,
    pb.FINDING_KIND_FILE_DIFFERS: wire.REPAIR_ACTION_COPY_FACTS,
    pb.FINDING_KIND_OBJECT_ORPHANED: wire.REPAIR_ACTION_QUARANTINE,
    pb.FINDING_KIND_FOREIGN_VERSION: wire.REPAIR_ACTION_QUARANTINE,
    pb.FINDING_KIND_DELETE_MARKER: wire.REPAIR_ACTION_REMOVE_MARKER,
    pb.FINDING_KIND_UPLOAD_ABANDONED: wire.REPAIR_ACTION_ABORT,
    pb.FINDING_KIND_USAGE_DRIFT: wire.REPAIR_ACTION_RECOUNT,
    pb.FINDING_KIND_TALLY_DRIFT: wire.REPAIR_ACTION_RECOUNT,
}
"""The action for each kind. Kinds that are not here need a person."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """The result for one finding."""

    action: Action
    outcome: wire.RepairOutcome.ValueType
    detail: str = ""


def done(action: Action, detail: str = "") -> Repaired:
    """The outcome of an action that was taken."""
    return Repaired(action, wire.REPAIR_OUTCOME_DONE, detail)


def outdated(action: Action) -> Repaired:
    """The outcome for a finding that no longer holds."""
    return Repaired(action, wire.REPAIR_OUTCOME_OUTDATED, "it is not so any more")


def left(detail: str, action: Action = wire.REPAIR_ACTION_NONE) -> Repaired:
    """The outcome for a finding that was left alone; ``detail``: why, or what a person has to do."""
    return Repaired(action, wire.REPAIR_OUTCOME_LEFT, detail)


def proposed(kind: Kind) -> Action:
    """The action that a repair takes for this kind."""
    return PROPOSED.get(kind, wire.REPAIR_ACTION_NONE)
