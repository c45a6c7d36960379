"""When a repair refuses to act."""

from __future__ import annotations

from typing import Any

import pytest

from storage_service.repairing.guard import MostWrong, refuse_doubtful
from strongroom.errors import RepairRefused
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import GetInstallationResponse

MOST = MostWrong(count=20, percent=5.0)
ORPHANED, FOREIGN = pb.FINDING_KIND_OBJECT_ORPHANED, pb.FINDING_KIND_FOREIGN_VERSION
MISSING, MARKER = pb.FINDING_KIND_OBJECT_MISSING, pb.FINDING_KIND_DELETE_MARKER


def run(*found: tuple[int, int], rows: int = 1000, objects: int = 1000, **changes: Any) -> pb.Verification:
    fields: dict[str, Any] = {
        "state": pb.VERIFICATION_STATE_FINISHED,
        "installation_id": "a",
        "schema_revision": "7",
    }
    made = pb.Verification(**(fields | changes))
    made.counts.committed_rows, made.counts.objects = rows, objects
    for kind, count in found:
        made.findings.add(kind=pb.FindingKind.ValueType(kind), count=count)
    return made


NOW = GetInstallationResponse(installation_id="a", schema_revision="7", has_committed=True)


@pytest.mark.parametrize(
    "right",
    [
        run(),
        run((ORPHANED, 20), rows=1, objects=21),
        run((ORPHANED, 50)),
        run((MISSING, 50)),
        run((ORPHANED, 30), (MISSING, 40)),
        run((MARKER, 900)),
        run((MISSING, 20), rows=20),
        run(rows=0, objects=0),
    ],
)
def test_what_may_be_acted_upon(right: pb.Verification) -> None:
    refuse_doubtful(right, NOW, MOST)


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (run(state=pb.VERIFICATION_STATE_RUNNING), "not_finished"),
        (run(state=pb.VERIFICATION_STATE_FAILED, failure="The listing is damaged."), "not_finished"),
        (run(installation_id="b"), "foreign_report"),
        (run(schema_revision="6"), "schema_revision"),
        (run((ORPHANED, 1), rows=0, objects=1), "database_empty"),
        (run((ORPHANED, 51)), "too_many_strays"),
        (run((ORPHANED, 30), (FOREIGN, 30)), "too_many_strays"),
        (run((ORPHANED, 21), rows=30, objects=30), "too_many_strays"),
        (run((MISSING, 51)), "too_many_lost"),
        (run((MISSING, 30), (pb.FINDING_KIND_CHECKSUM_MISMATCH, 30)), "too_many_lost"),
        (run((pb.FINDING_KIND_BLOB_WITHOUT_FILE, 51)), "too_many_lost"),
    ],
)
def test_what_is_refused(wrong: pb.Verification, rule: str) -> None:
    with pytest.raises(RepairRefused) as refusal:
        refuse_doubtful(wrong, NOW, MOST)
    assert refusal.value.metadata["rule"] == rule


def test_a_database_that_was_emptied_since_is_refused() -> None:
    emptied = GetInstallationResponse(installation_id="a", schema_revision="7", has_committed=False)
    with pytest.raises(RepairRefused):
        refuse_doubtful(run((ORPHANED, 1)), emptied, MOST)
