"""WebhookDeliveryService: what is to be sent, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import webhook_delivery_service_pb2 as pb
from strongroom.metadata.v1.webhook_delivery_service_pb2_grpc import WebhookDeliveryServiceStub

#: metadata_service makes deliveries of events meanwhile; its own transactions end after 20 s.
CLAIM_SECONDS: Final = 25.0


class WebhookDeliveries(MetadataClient):
    """Claims and records, on nobody's behalf."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = WebhookDeliveryServiceStub(channel)

    async def claim(self, limit: int, lease_seconds: float) -> Sequence[pb.ClaimedDelivery]:
        """At most ``limit`` that are due. Raises StrongroomError."""
        request = pb.ClaimDeliveriesRequest(limit=limit, lease_seconds=lease_seconds)
        return (await self._step(self._stub.ClaimDeliveries, request, CLAIM_SECONDS)).deliveries

    async def record(self, told: pb.RecordDeliveryRequest) -> str:
        """``delivered``, ``retried``, ``dead`` or ``stale``. Raises StrongroomError."""
        return (await self._step(self._stub.RecordDelivery, told)).outcome
