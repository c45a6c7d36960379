"""WebhookDeliveryService: deliveries to send, and their outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import webhook_delivery_service_pb2 as pb
from strongroom.metadata.v1.webhook_delivery_service_pb2_grpc import WebhookDeliveryServiceStub

#: Seconds. During the call metadata_service makes deliveries of events, in transactions of up to 20 s.
CLAIM_SECONDS: Final = 25.0


class WebhookDeliveries(MetadataClient):
    """Claims deliveries and records outcomes, as this service itself."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = WebhookDeliveryServiceStub(channel)

    async def claim(self, limit: int, lease_seconds: float) -> Sequence[pb.ClaimedDelivery]:
        """Return at most ``limit`` due deliveries, leased for ``lease_seconds``. Raises StrongroomError."""
        request = pb.ClaimDeliveriesRequest(limit=limit, lease_seconds=lease_seconds)
        return (await self._step(self._stub.ClaimDeliveries, request, CLAIM_SECONDS)).deliveries

    async def record(self, told: pb.RecordDeliveryRequest) -> str:
        """Record the outcome of a delivery. Return ``delivered``, ``retried``, ``dead`` or ``stale``.

        Raises StrongroomError.
        """
        return (await self._step(self._stub.RecordDelivery, told)).outcome
