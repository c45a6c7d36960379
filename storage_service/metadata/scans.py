"""ScanService: stored contents that need a scan, and the results."""

from __future__ import annotations

from collections.abc import Sequence

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import scan_service_pb2 as pb
from strongroom.metadata.v1.scan_pb2 import Scan
from strongroom.metadata.v1.scan_service_pb2_grpc import ScanServiceStub


class ScanRecords(MetadataClient):
    """Records scans, for the contents of all owners."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = ScanServiceStub(channel)

    async def take_stock(self, cursor: str, limit: int) -> str:
        """Record the next contents that were never scanned. Return the next cursor, ``""`` at the end."""
        request = pb.TakeStockRequest(cursor=cursor, limit=limit)
        return (await self._step(self._stub.TakeStock, request)).cursor

    async def claim(self, database: str, limit: int) -> Sequence[pb.StoredContent]:
        """Return contents not scanned with this signature database yet, claimed by this caller for a
        while.
        """
        request = pb.ClaimScansRequest(database=database, limit=limit)
        return (await self._step(self._stub.ClaimScans, request)).contents

    async def report(self, content: pb.StoredContent, scan: Scan) -> None:
        """Record the result of a scan."""
        found = pb.ScannedContent(owner_id=content.owner_id, blob_id=content.blob_id, scan=scan)
        await self._step(self._stub.ReportScans, pb.ReportScansRequest(contents=[found]))

    async def refused(self, request: pb.ReportRefusalRequest) -> None:
        """Record that an upload was refused because it is infected."""
        await self._step(self._stub.ReportRefusal, request)
