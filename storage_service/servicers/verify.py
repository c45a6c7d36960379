"""VerifyService over gRPC, for admins: findings name keys and owners of all users."""

from __future__ import annotations

from uuid import UUID

import grpc

from servicekit import context as calls
from servicekit.reports import ReportSigner
from storage_service.verifying.assembly import Verifying
from storage_service.verifying.report import Reports, finding_line
from strongroom.errors import InvalidField, PermissionDenied
from strongroom.metadata.v1.verification_pb2 import VERIFICATION_STATE_RUNNING
from strongroom.storage.v1 import verify_pb2 as pb
from strongroom.storage.v1.verify_pb2_grpc import VerifyServiceServicer, add_VerifyServiceServicer_to_server

Context = grpc.aio.ServicerContext


class VerifyServicer(VerifyServiceServicer):
    """See strongroom/storage/v1/verify.proto. ``secret``: what the reports' key is derived from."""

    def __init__(self, verifying: Verifying, secret: bytes) -> None:
        self._records = verifying.records
        self._reports = Reports(verifying.records, ReportSigner(secret))
        self._wake = verifying.wake

    async def StartVerification(
        self,
        request: pb.StartVerificationRequest,
        context: Context[pb.StartVerificationRequest, pb.StartVerificationResponse],
    ) -> pb.StartVerificationResponse:
        _only_admins()
        begun = await self._records.begin(request.depth)
        self._wake()
        return pb.StartVerificationResponse(verification=begun.verification, begun=begun.begun)

    async def GetVerificationReport(
        self,
        request: pb.GetVerificationReportRequest,
        context: Context[pb.GetVerificationReportRequest, pb.GetVerificationReportResponse],
    ) -> pb.GetVerificationReportResponse:
        _only_admins()
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
        _only_admins()
        run_id = _run_id(request.id) or (await self._records.run("")).id
        findings = await self._records.findings(run_id, request.after_number, max(request.limit, 0))
        response = pb.ListVerificationFindingsResponse()
        for finding in findings:
            response.findings.add(finding=finding, line_json=finding_line(finding))
        return response


def add_verify_service(server: grpc.aio.Server, servicer: VerifyServicer) -> list[str]:
    """Register it; answers its full name."""
    add_VerifyServiceServicer_to_server(servicer, server)
    return [pb.DESCRIPTOR.services_by_name["VerifyService"].full_name]


def _only_admins() -> None:
    if not calls.current_principal().is_admin:
        raise PermissionDenied("Only admins may verify: a report names files of all users.")


def _run_id(text: str) -> str:
    """Raises InvalidField."""
    try:
        return str(UUID(text)) if text else ""
    except ValueError:
        raise InvalidField("id is no verification's; leave it out for the last one.", field="id") from None
