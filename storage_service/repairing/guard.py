"""Refuses a repair as a whole: if the report does not apply, or so much is wrong that it has another
cause.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from storage_service.repairing.identity import refused
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import GetInstallationResponse

STRAY: Final = frozenset(
    {
        pb.FINDING_KIND_OBJECT_ORPHANED,
        pb.FINDING_KIND_FOREIGN_VERSION,
    }
)
"""Findings that move an object to quarantine: counted against all objects."""
LOST: Final = frozenset(
    {
        pb.FINDING_KIND_OBJECT_MISSING,
        pb.FINDING_KIND_SIZE_MISMATCH,
        pb.FINDING_KIND_CHECKSUM_MISMATCH,
        pb.FINDING_KIND_BLOB_WITHOUT_FILE,
    }
)
"""Findings that mark a row as lost or remove it: counted against all committed rows."""


@dataclass(frozen=True, slots=True)
class MostWrong:
    """A repair refuses more than ``count`` findings of one sort if they are also more than ``percent`` of
    all.
    """

    count: int
    percent: float

    def passed_by(self, wrong: int, total: int) -> bool:
        """Whether ``wrong`` of ``total`` are too many."""
        return wrong > self.count and wrong * 100 > self.percent * total


def refuse_doubtful(run: pb.Verification, now: GetInstallationResponse, most: MostWrong) -> None:
    """Check whether a run may be acted on. Raises RepairRefused if not."""
    if run.state == pb.VERIFICATION_STATE_RUNNING:
        raise refused("not_finished", "The verification is still under way: repair when it has ended.")
    if run.state != pb.VERIFICATION_STATE_FINISHED:
        raise refused(
            "not_finished",
            f"The verification could not be finished, so it has not seen all ({run.failure or 'no reason'}):"
            " verify again; nothing was touched.",
        )
    if run.installation_id != now.installation_id:
        raise refused(
            "foreign_report",
            f"The report is of installation {run.installation_id}, and the database is of"
            f" {now.installation_id}: verify again; nothing was touched.",
        )
    if run.schema_revision != now.schema_revision:
        raise refused(
            "schema_revision",
            f"The report is of schema revision {run.schema_revision}, and the database is at"
            f" {now.schema_revision} by now: verify again; nothing was touched.",
        )
    counts = {found.kind: found.count for found in run.findings}
    stray = sum(counts.get(kind, 0) for kind in STRAY)
    if stray and not (run.counts.committed_rows and now.has_committed):
        raise refused(
            "database_empty",
            f"The database knows of no file, and the bucket holds {stray} objects: restore the database;"
            " nothing was touched.",
        )
    _refuse_many("too_many_strays", stray, run.counts.objects, "objects belong to no row", most)
    lost = sum(counts.get(kind, 0) for kind in LOST)
    _refuse_many("too_many_lost", lost, run.counts.committed_rows, "rows have lost their objects", most)


def _refuse_many(rule: str, wrong: int, total: int, what: str, most: MostWrong) -> None:
    if most.passed_by(wrong, total):
        raise refused(
            rule,
            f"{wrong} of {total} {what}, which is more than STRONGROOM_REPAIR_MOST_COUNT ({most.count}) and"
            f" STRONGROOM_REPAIR_MOST_PERCENT ({most.percent:g}): see whether database and bucket belong"
            " together and are whole, or raise the limits; nothing was touched.",
        )
