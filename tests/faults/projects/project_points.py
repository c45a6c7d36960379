"""The crash points of projects: all failpoints in saves, roll-backs, deletions and settling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tests.faults.cell import Service

Operation = Literal["save", "archive", "roll back", "cut", "delete"]
Holds = Literal["old", "new", "either"]


@dataclass(frozen=True)
class ProjectKill:
    """SIGKILL ``service`` at ``failpoint`` during ``operation``; afterwards the old versions are unchanged,
    and the new one does not exist (old), is whole (new), or either.
    """

    operation: Operation
    service: Service
    failpoint: str
    holds: Holds

    def __str__(self) -> str:
        return f"{self.operation}-{self.failpoint}"


def _storage(operation: Operation, holds: Holds, *points: str) -> tuple[ProjectKill, ...]:
    return tuple(ProjectKill(operation, "storage", point, holds) for point in points)


def _metadata(operation: Operation, holds: Holds, *points: str) -> tuple[ProjectKill, ...]:
    return tuple(ProjectKill(operation, "metadata", f"metadata.project.{point}", holds) for point in points)


KILLS: Final = (
    *_storage(
        "save",
        "old",
        "storage.project.begin.before",
        "storage.project.begin.after",
        "storage.project.reserve.before",
        "storage.project.reserve.after",
        "storage.project.put.before",
        "s3.put.mid_body",
        "storage.project.put.after",
        "storage.project.record.before",
        "storage.project.record.after",
        "storage.project.commit.before",
    ),
    *_storage("save", "new", "storage.project.commit.after"),
    # the cleaner may reach these for another project's key before the save has begun
    *_storage(
        "save",
        "either",
        "storage.project.settle.after_claim",
        "storage.project.settle.before_marker",
        "storage.project.settle.after_marker",
        "storage.project.settle.before_report",
    ),
    *_metadata(
        "save",
        "old",
        "begin.before_commit",
        "begin.after_commit",
        "reserve.before_commit",
        "reserve.after_commit",
        "record.before_commit",
        "record.after_commit",
        "commit.before_commit",
    ),
    *_metadata("save", "new", "commit.after_commit"),
    *_metadata("save", "either", "claim_keys.before_commit", "report_keys.before_commit"),
    *_metadata("cut", "old", "abandon.before_commit", "abandon.after_commit"),
    *_storage("archive", "old", "storage.project.spool.after", "storage.project.put.after"),
    *_storage("archive", "new", "storage.project.commit.after"),
    *_storage("roll back", "old", "storage.project.put.before", "storage.project.put.after"),
    *_storage("roll back", "new", "storage.project.commit.after"),
    *_metadata("delete", "old", "remove.before_commit"),
    *_metadata("delete", "new", "remove.after_commit"),
)
