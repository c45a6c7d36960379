"""Verification, for admins: that every row has its object, and every object its row."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from strongroom.client.connection import Connection
from strongroom.client.verification_values import (
    DEPTHS,
    Depth,
    Finding,
    Verification,
    to_finding,
    to_verification,
)
from strongroom.storage.v1 import verify_pb2 as pb

PAGE = 500


class Verifications:
    """Begins runs, reads their reports. Every method raises ``PermissionDenied`` without the admin role."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def start(self, depth: Depth = "heads") -> tuple[Verification, bool]:
        """A new run, or the one that is under way with its own depth; and whether it is new."""
        request = pb.StartVerificationRequest(depth=DEPTHS[depth])
        started = await self._connection.unary(
            self._connection.verifications.StartVerification, request, safe=True
        )
        return to_verification(started.verification, b"", b"", b""), started.begun

    async def get(self, run_id: str = "") -> Verification:
        """One run; empty: the last one. Its report is there once it has ended.

        :raises NotFound: there is no such run.
        """
        request = pb.GetVerificationReportRequest(id=run_id)
        found = await self._connection.unary(
            self._connection.verifications.GetVerificationReport, request, safe=True
        )
        return to_verification(found.verification, found.report_json, found.signature, found.public_key)

    async def findings(self, run_id: str) -> AsyncGenerator[Finding]:
        """All findings of a run in order, fetched page by page."""
        after = 0
        while True:
            request = pb.ListVerificationFindingsRequest(id=run_id, after_number=after, limit=PAGE)
            page = await self._connection.unary(
                self._connection.verifications.ListVerificationFindings, request, safe=True
            )
            for reported in page.findings:
                yield to_finding(reported.finding, reported.line_json)
                after = reported.finding.number
            if not page.findings:
                return
