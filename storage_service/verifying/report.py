"""The report of a run that has ended: a signed JSON document, with a digest of its findings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from servicekit.reports import ReportSigner, SignedReport, canonical
from storage_service.metadata.verification import VerificationRecords
from storage_service.verifying.metrics import kind_name
from strongroom.enum_words import enum_word
from strongroom.metadata.v1 import verification_pb2 as pb

FORMAT: Final = "strongroom-verification/1"


class Reports:
    """Builds reports from what metadata_service stores. One instance per process."""

    def __init__(self, records: VerificationRecords, signer: ReportSigner) -> None:
        self._records = records
        self._signer = signer

    async def signed(self, run: pb.Verification) -> SignedReport:
        """Report of a run that has ended. Reads the findings page by page. Raises StrongroomError."""
        digest, after = hashlib.sha256(), 0
        while page := await self._records.findings(run.id, after):
            for finding in page:
                digest.update(finding_line(finding) + b"\n")
            after = page[-1].number
        return self._signer.sign(canonical(_document(run, digest.hexdigest())))


def finding_line(finding: pb.Finding) -> bytes:
    """One finding as a line of JSON, without empty fields."""
    fields = {descriptor.name: value for descriptor, value in finding.ListFields()}
    return canonical(fields | {"kind": kind_name(finding.kind)})


def _document(run: pb.Verification, findings_sha256: str) -> Mapping[str, Any]:
    finished = run.state == pb.VERIFICATION_STATE_FINISHED
    return {
        "format": FORMAT,
        "id": run.id,
        "outcome": "finished" if finished else "failed",
        "failure": run.failure,
        "depth": enum_word(pb.VerificationDepth.DESCRIPTOR, run.depth),
        "installation_id": run.installation_id,
        "schema_revision": run.schema_revision,
        "begin_position": run.begin_position,
        "end_position": run.end_position,
        "begin_time": _moment(run.begin_time),
        "end_time": _moment(run.end_time),
        "shards": run.shards,
        "shards_done": run.shards_done,
        "counts": {field.name: getattr(run.counts, field.name) for field in run.counts.DESCRIPTOR.fields},
        "findings": {
            kind_name(found.kind): {"count": found.count, "size_bytes": found.size_bytes}
            for found in run.findings
        },
        "findings_sha256": findings_sha256,
    }


def _moment(timestamp: Timestamp) -> str:
    return timestamp.ToJsonString()
