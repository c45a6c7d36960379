"""Converts protobuf to JSON for operators."""

from __future__ import annotations

import json
from typing import Any, cast

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.families.admin.shapes import (
    Act,
    Backlog,
    Cleaner,
    InfectedContent,
    ListedFinding,
    UserUsage,
    VerificationRun,
)
from gateway.families.library.rendering import show_usage
from gateway.http.shapes import rfc3339
from strongroom.enum_words import enum_word
from strongroom.metadata.v1 import infected_pb2
from strongroom.metadata.v1.admin_service_pb2 import (
    AdminAct,
    CleanerBacklog,
    GetCleanerStatusResponse,
    OwnerUsage,
)
from strongroom.metadata.v1.blob_pb2 import BlobState
from strongroom.metadata.v1.verification_pb2 import (
    FindingKind,
    Verification,
    VerificationDepth,
    VerificationState,
)
from strongroom.storage.v1.verify_pb2 import ReportedFinding


def show_user(owner: OwnerUsage) -> UserUsage:
    """The same, also by family."""
    families = [
        {"family": one.family, "file_count": one.file_count, "size": one.size_bytes} for one in owner.families
    ]
    return cast("UserUsage", {**show_usage(owner.usage), "families": families})


def show_cleaner(status: GetCleanerStatusResponse) -> Cleaner:
    """The cleaner's status."""
    return {
        "backlog": [_backlog(one) for one in status.backlog],
        "failures": [
            {
                "failure": one.failure,
                "count": one.count,
                "since": rfc3339(one.since_time),
                "most_tries": one.most_tries,
            }
            for one in status.failures
        ],
        "replicas": [{"name": one.name, "seen_at": rfc3339(one.seen_time)} for one in status.replicas],
        "now": rfc3339(status.now),
    }


def show_run(run: Verification) -> VerificationRun:
    """A verification."""
    return {
        "id": run.id,
        "state": _word(VerificationState.DESCRIPTOR, run.state),
        "depth": _word(VerificationDepth.DESCRIPTOR, run.depth),
        "begun_at": rfc3339(run.begin_time),
        "ended_at": _time(run, "end_time", run.end_time),
        "failure": run.failure or None,
        "shards": run.shards,
        "shards_done": run.shards_done,
        "rows": run.counts.rows,
        "objects": run.counts.objects,
        "files": run.counts.files,
        "size": run.counts.committed_bytes,
        "findings": [
            {"kind": _kind(one.kind), "count": one.count, "size": one.size_bytes} for one in run.findings
        ],
    }


def show_finding(reported: ReportedFinding) -> ListedFinding:
    """A difference between rows and objects."""
    finding = reported.finding
    return {
        "number": finding.number,
        "kind": _kind(finding.kind),
        "user_id": finding.owner_id or None,
        "key": finding.key or None,
        "row": finding.row or None,
        "size": finding.size_bytes,
        "expected": finding.expected,
        "found": finding.found,
    }


def show_act(act: AdminAct) -> Act:
    """An entry of the audit log."""
    return {
        "id": act.id,
        "act": act.act,
        "actor": act.actor or None,
        "user_id": act.owner_id or None,
        "details": json.loads(act.details_json) if act.details_json else {},
        "outcome": act.outcome,
        "at": rfc3339(act.act_time),
    }


def _backlog(one: CleanerBacklog) -> Backlog:
    return {
        "state": _word(BlobState.DESCRIPTOR, one.state),
        "count": one.count,
        "size": one.size_bytes,
        "due": one.due,
        "failing": one.failing,
        "oldest_due_at": _time(one, "oldest_due_time", one.oldest_due_time),
    }


def _kind(kind: FindingKind.ValueType) -> str:
    return enum_word(FindingKind.DESCRIPTOR, kind)


def _time(message: Any, name: str, moment: Timestamp) -> str | None:
    return rfc3339(moment) if message.HasField(name) else None


def _word(enum: EnumDescriptor, number: int) -> Any:
    """Like ``enum_word``: one of the shape's words that this release knows."""
    return enum_word(enum, number)


def show_infected(one: infected_pb2.InfectedContent) -> InfectedContent:
    """The owner, the name, and the finding."""
    return {
        "user_id": one.owner_id,
        "key": one.key,
        "file_id": one.file_id or None,
        "filename": one.filename,
        "size": one.size_bytes,
        "signature": one.signature,
        "database": one.database,
        "found_at": rfc3339(one.scan_time),
    }
