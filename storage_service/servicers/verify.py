"""VerifyService over gRPC, for admins: findings name keys and owners of all users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from servicekit import context as calls
from servicekit.auth.principal import only_admins
from servicekit.reports import ReportSigner
from storage_service.attempts.acts import HeldActs
from storage_service.repairing.assembly import Verifying
from storage_service.repairing.manifest import Entry, Unreadable
from storage_service.repairing.metrics import outcome_name
from storage_service.repairing.outcomes import proposed
from storage_service.verifying.report import Reports, finding_line
from strongroom.errors import InvalidField
from strongroom.metadata.v1.verification_pb2 import VERIFICATION_STATE_RUNNING
from strongroom.storage.v1 import verify_pb2 as pb
from strongroom.storage.v1.verify_pb2_grpc import VerifyServiceServicer, add_VerifyServiceServicer_to_server

Context = grpc.aio.ServicerContext

_NO_RUN: Final = "that is no verification's id, as its report names it"
_NO_ENTRY: Final = "that is no entry of the quarantine; `strongroom verify quarantine` lists them"
_WHY: Final = "verify (a report names files of all users)"


class VerifyServicer(VerifyServiceServicer):
    """See strongroom/storage/v1/verify.proto. ``secret``: the reports' signing key is derived from it."""

    def __init__(self, verifying: Verifying, acts: HeldActs, secret: bytes) -> None:
        self._acts = acts
        self._identity = verifying.identity
        self._repairs = verifying.repairs
        self._keeps = timedelta(seconds=verifying.quarantine_seconds)
        self._records = verifying.records
        self._reports = Reports(verifying.records, ReportSigner(secret))
        self._wake = verifying.wake

    async def StartVerification(
        self,
        request: pb.StartVerificationRequest,
        context: Context[pb.StartVerificationRequest, pb.StartVerificationResponse],
    ) -> pb.StartVerificationResponse:
        only_admins(calls.current_principal(), _WHY)
        await self._identity.check()
        await self._acts.note("start_verification", depth=str(request.depth))
        begun = await self._records.begin(request.depth)
        self._wake()
        return pb.StartVerificationResponse(verification=begun.verification, begun=begun.begun)

    async def GetVerificationReport(
        self,
        request: pb.GetVerificationReportRequest,
        context: Context[pb.GetVerificationReportRequest, pb.GetVerificationReportResponse],
    ) -> pb.GetVerificationReportResponse:
        only_admins(calls.current_principal(), _WHY)
        run = await self._records.run(_run_id(request.id))
        response = pb.GetVerificationReportResponse(verification=run)
        if run.state != VERIFICATION_STATE_RUNNING:
            report = await self._reports.signed(run)
            response.report_json, response.signature = report.document, report.signature
            response.public_key = report.public_key
        return response

    async def ListVerificationFindings(
        self,
        request: pb.ListVerificationFindingsRequest,
        context: Context[pb.ListVerificationFindingsRequest, pb.ListVerificationFindingsResponse],
    ) -> pb.ListVerificationFindingsResponse:
        only_admins(calls.current_principal(), _WHY)
        run_id = (await self._records.run(_run_id(request.id))).id  # refuses an unknown id
        findings = await self._records.findings(run_id, request.after_number, max(request.limit, 0))
        response = pb.ListVerificationFindingsResponse()
        for finding in findings:
            response.findings.add(
                finding=finding, line_json=finding_line(finding), action=proposed(finding.kind)
            )
        return response

    async def RepairFindings(
        self,
        request: pb.RepairFindingsRequest,
        context: Context[pb.RepairFindingsRequest, pb.RepairFindingsResponse],
    ) -> AsyncIterator[pb.RepairFindingsResponse]:
        only_admins(calls.current_principal(), _WHY)
        run_id = _run_id(request.id)
        async with (
            self._acts.held("repair_findings", run=run_id or "last") as counts,
            aclosing(self._repairs.repair(run_id)) as repaired,
        ):
            async for finding, done in repaired:
                counts[outcome_name(done.outcome)] += 1
                yield pb.RepairFindingsResponse(
                    finding=finding, action=done.action, outcome=done.outcome, detail=done.detail
                )

    async def ListQuarantine(
        self,
        request: pb.ListQuarantineRequest,
        context: Context[pb.ListQuarantineRequest, pb.ListQuarantineResponse],
    ) -> AsyncIterator[pb.ListQuarantineResponse]:
        only_admins(calls.current_principal(), _WHY)
        async with aclosing(self._repairs.entries()) as entries:
            async for entry in entries:
                yield pb.ListQuarantineResponse(object=self._quarantined(entry))

    async def RestoreQuarantined(
        self,
        request: pb.RestoreQuarantinedRequest,
        context: Context[pb.RestoreQuarantinedRequest, pb.RestoreQuarantinedResponse],
    ) -> AsyncIterator[pb.RestoreQuarantinedResponse]:
        only_admins(calls.current_principal(), _WHY)
        if request.WhichOneof("which") == "id":
            entry_id = _uuid(request.id, "id", _NO_ENTRY)
            async with self._acts.held("restore_quarantined", entry=entry_id) as counts:
                entry = await self._repairs.restore(entry_id)
                counts["restored"] += 1
            yield pb.RestoreQuarantinedResponse(object=self._quarantined(entry))
            return
        run_id = _uuid(
            request.run_id, "run_id", f"{_NO_RUN}; `strongroom verify --run last` shows the last one"
        )
        async with (
            self._acts.held("restore_quarantined", run=run_id) as counts,
            aclosing(self._repairs.restore_run(run_id)) as restored,
        ):
            async for entry in restored:
                counts["restored"] += 1
                yield pb.RestoreQuarantinedResponse(object=self._quarantined(entry))

    async def PurgeQuarantined(
        self,
        request: pb.PurgeQuarantinedRequest,
        context: Context[pb.PurgeQuarantinedRequest, pb.PurgeQuarantinedResponse],
    ) -> AsyncIterator[pb.PurgeQuarantinedResponse]:
        only_admins(calls.current_principal(), _WHY)
        if request.WhichOneof("which") != "moved_before":
            entry_id = _entry_id(request.id)
            async with self._acts.held("purge_quarantined", entry=entry_id) as counts:
                entry = await self._repairs.purge(entry_id)
                counts["purged"] += 1
            yield pb.PurgeQuarantinedResponse(object=self._quarantined(entry))
            return
        before = _moment(request.moved_before)
        async with (
            self._acts.held("purge_quarantined", moved_before=before.isoformat()) as counts,
            aclosing(self._repairs.purge_before(before)) as purged,
        ):
            async for entry in purged:
                counts["purged"] += 1
                yield pb.PurgeQuarantinedResponse(object=self._quarantined(entry))

    def _quarantined(self, entry: Entry) -> pb.QuarantinedObject:
        if isinstance(entry, Unreadable):
            unknown = pb.QuarantinedObject(id=entry.id, unreadable=True)
            unknown.move_time.FromDatetime(entry.written_at)
            unknown.purge_time.FromDatetime(entry.written_at + self._keeps)
            return unknown
        found = pb.QuarantinedObject(
            id=entry.id,
            key=entry.key,
            version_id=entry.version_id,
            size_bytes=entry.size_bytes,
            crc32c=entry.crc32c,
            content_type=entry.content_type,
            metadata=entry.metadata,
            why=entry.why,
            run_id=entry.run_id,
        )
        found.move_time.FromDatetime(entry.moved_at)
        found.purge_time.FromDatetime(entry.moved_at + self._keeps)
        return found


def add_verify_service(server: grpc.aio.Server, servicer: VerifyServicer) -> list[str]:
    """Register the service; returns its full name."""
    add_VerifyServiceServicer_to_server(servicer, server)
    return [pb.DESCRIPTOR.services_by_name["VerifyService"].full_name]


def _run_id(text: str) -> str:
    """Check the id of a run; empty stands for the last run. Raises InvalidField."""
    return _uuid(text, "id", f"{_NO_RUN}; leave it out (`--run last`) for the last one") if text else ""


def _uuid(text: str, field: str, advice: str) -> str:
    """Normalize a UUID. Raises InvalidField with ``advice``."""
    try:
        return str(UUID(text))
    except ValueError:
        raise InvalidField(f"{field}: {advice}.", field=field) from None


def _entry_id(text: str) -> str:
    """Check the id of an entry: any name without a slash, because an entry may have been put there by hand.

    Raises InvalidField.
    """
    if not text or "/" in text:
        raise InvalidField(f"id: {_NO_ENTRY}.", field="id", rule="entry")
    return text


def _moment(timestamp: Timestamp) -> datetime:
    """Convert a timestamp to a time in UTC. Raises InvalidField."""
    try:
        return timestamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidField(
            "moved_before: that is not a time.", field="moved_before", rule="moment"
        ) from error
