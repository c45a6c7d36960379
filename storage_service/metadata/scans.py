"""ScanService: which stored contents are to be scanned, and what was found."""

from __future__ import annotations

from collections.abc import Sequence

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import scan_service_pb2 as pb
from strongroom.metadata.v1.scan_pb2 import Scan
from strongroom.metadata.v1.scan_service_pb2_grpc import ScanServiceStub


class ScanRecords(MetadataClient):
    """Of all owners, on our own behalf."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = ScanServiceStub(channel)

    async def take_stock(self, cursor: str, limit: int) -> str:
        """Have the next contents noted that nobody was asked to scan; where to go on, ``""``: that was
        all.
        """
        request = pb.TakeStockRequest(cursor=cursor, limit=limit)
        return (await self._step(self._stub.TakeStock, request)).cursor

    async def claim(self, database: str, limit: int) -> Sequence[pb.StoredContent]:
        """Contents that these signatures have not looked at, for this caller alone for a while."""
        request = pb.ClaimScansRequest(database=database, limit=limit)
        return (await self._step(self._stub.ClaimScans, request)).contents

    async def report(self, content: pb.StoredContent, scan: Scan) -> None:
        """What was found."""
        found = pb.ScannedContent(owner_id=content.owner_id, blob_id=content.blob_id, scan=scan)
        await self._step(self._stub.ReportScans, pb.ReportScansRequest(contents=[found]))

    async def refused(self, request: pb.ReportRefusalRequest) -> None:
        """What was sent is infected, and not stored."""
        await self._step(self._stub.ReportRefusal, request)
