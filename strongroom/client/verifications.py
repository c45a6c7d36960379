"""Verification, for admins: checks that every row has its object, and every object its row."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import TypeVar

import grpc

from strongroom.client.connection import Connection, typed
from strongroom.client.verification_values import (
    DEPTHS,
    Depth,
    Finding,
    Quarantined,
    Repair,
    Verification,
    to_finding,
    to_quarantined,
    to_repair,
    to_verification,
)
from strongroom.storage.v1 import verify_pb2 as pb

PAGE = 500

Request = TypeVar("Request")
Response = TypeVar("Response")


class Verifications:
    """Starts runs and reads their reports. Every method raises ``PermissionDenied`` without the admin
    role.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def start(self, depth: Depth = "heads") -> tuple[Verification, bool]:
        """Start a run, or return the one that is running (with its own depth); and whether it is new."""
        request = pb.StartVerificationRequest(depth=DEPTHS[depth])
        started = await self._connection.unary(
            self._connection.verifications.StartVerification, request, safe=True
        )
        return to_verification(started.verification, b"", b"", b""), started.begun

    async def get(self, run_id: str = "") -> Verification:
        """One run; empty: the last one. It has a report once it has ended.

        :raises NotFound: there is no such run.
        """
        request = pb.GetVerificationReportRequest(id=run_id)
        found = await self._connection.unary(self._connection.verifications.GetVerificationReport, request)
        return to_verification(found.verification, found.report_json, found.signature, found.public_key)

    async def findings(self, run_id: str) -> AsyncGenerator[Finding]:
        """All findings of a run in order, fetched page by page."""
        after = 0
        while True:
            request = pb.ListVerificationFindingsRequest(id=run_id, after_number=after, limit=PAGE)
            page = await self._connection.unary(
                self._connection.verifications.ListVerificationFindings, request
            )
            for reported in page.findings:
                yield to_finding(reported.finding, reported.line_json, reported.action)
                after = reported.finding.number
            if not page.findings:
                return

    async def repair(self, run_id: str = "") -> AsyncGenerator[Repair]:
        """Repair the findings of a run (empty: the last one); yields the result for each finding. Each is
        checked again first, so calling this again is safe, also after it broke off.

        :raises RepairRefused: bucket, database and report do not belong together, or too much is wrong;
            nothing was changed.
        """
        method = self._connection.repairs.RepairFindings
        async with aclosing(self._stream(method, pb.RepairFindingsRequest(id=run_id))) as found:
            async for message in found:
                yield to_repair(message)

    async def quarantine(self) -> AsyncGenerator[Quarantined]:
        """The objects in quarantine, moved there by repairs and by ``adopt drop``."""
        method = self._connection.repairs.ListQuarantine
        async with aclosing(self._stream(method, pb.ListQuarantineRequest())) as found:
            async for message in found:
                yield to_quarantined(message.object)

    async def restore(self, entry_id: str) -> Quarantined:
        """Restore one object to its key, as a new version.

        :raises NotFound: there is none, or its time is over.
        """
        restored = self._restored(pb.RestoreQuarantinedRequest(id=entry_id))
        async with aclosing(restored) as found:
            return await anext(found)

    async def restore_run(self, run_id: str) -> AsyncGenerator[Quarantined]:
        """Restore everything that the repair of one run moved.

        :raises NotFound: there is nothing to restore.
        """
        async with aclosing(self._restored(pb.RestoreQuarantinedRequest(run_id=run_id))) as found:
            async for one in found:
                yield one

    async def purge(self, entry_id: str) -> Quarantined:
        """Remove one object from quarantine for good, before its time. It can't be undone.

        :raises NotFound: there is none, or its time is over.
        """
        request = pb.PurgeQuarantinedRequest(id=entry_id)
        async with aclosing(self._stream(self._connection.repairs.PurgeQuarantined, request)) as found:
            return to_quarantined((await anext(found)).object)

    async def purge_before(self, moment: datetime) -> AsyncGenerator[Quarantined]:
        """Remove for good what was moved to quarantine before ``moment``; yields each removed entry."""
        request = pb.PurgeQuarantinedRequest()
        request.moved_before.FromDatetime(moment)
        async with aclosing(self._stream(self._connection.repairs.PurgeQuarantined, request)) as found:
            async for message in found:
                yield to_quarantined(message.object)

    async def _restored(self, request: pb.RestoreQuarantinedRequest) -> AsyncGenerator[Quarantined]:
        method = self._connection.repairs.RestoreQuarantined
        async with aclosing(self._stream(method, request)) as found:
            async for message in found:
                yield to_quarantined(message.object)

    async def _stream(
        self, method: grpc.aio.UnaryStreamMultiCallable[Request, Response], request: Request
    ) -> AsyncGenerator[Response]:
        """Make one call without a deadline, because a large object may take long."""
        metadata = await self._connection.metadata()
        call = method(request, metadata=metadata)
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise typed(error, metadata) from error
        finally:
            call.cancel()
