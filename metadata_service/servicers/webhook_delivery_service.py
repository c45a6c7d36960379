"""metadata.v1.WebhookDeliveryService."""

from __future__ import annotations

from typing import TypeAlias

from grpc.aio import ServicerContext

from metadata_service.webhooks.claims import DeliveryClaims
from strongroom.metadata.v1 import webhook_delivery_service_pb2 as pb
from strongroom.metadata.v1.webhook_delivery_service_pb2_grpc import WebhookDeliveryServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class WebhookDeliveryServicer(WebhookDeliveryServiceServicer):
    """Converts requests and responses."""

    def __init__(self, claims: DeliveryClaims) -> None:
        self._claims = claims

    async def ClaimDeliveries(
        self, request: pb.ClaimDeliveriesRequest, context: Context
    ) -> pb.ClaimDeliveriesResponse:
        claimed = await self._claims.claim(request.limit, request.lease_seconds)
        return pb.ClaimDeliveriesResponse(deliveries=claimed)

    async def RecordDelivery(
        self, request: pb.RecordDeliveryRequest, context: Context
    ) -> pb.RecordDeliveryResponse:
        return pb.RecordDeliveryResponse(outcome=await self._claims.record(request))
