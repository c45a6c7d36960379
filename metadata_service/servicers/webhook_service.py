"""metadata.v1.WebhookService for owners, WebhookDeliveryService for senders.

WebhookDeliveryService is internal: the server harness requires the internal credential.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias
from uuid import UUID

from grpc.aio import ServicerContext

from metadata_service.webhooks.claims import DeliveryClaims
from metadata_service.webhooks.deliveries import Deliveries
from metadata_service.webhooks.making import WebhookMaker
from metadata_service.webhooks.owners import OVERLAP_SECONDS, OwnersWebhooks
from metadata_service.webhooks.rows import INSTALLATION
from servicekit.auth.principal import effective_owner, only_admins
from servicekit.context import current_principal
from strongroom.errors import InvalidField
from strongroom.metadata.v1 import webhook_delivery_service_pb2 as delivery_pb
from strongroom.metadata.v1 import webhook_service_pb2 as pb
from strongroom.metadata.v1.webhook_delivery_service_pb2_grpc import WebhookDeliveryServiceServicer
from strongroom.metadata.v1.webhook_service_pb2_grpc import WebhookServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class _Whose(Protocol):
    user_id: str
    all_users: bool


class WebhookServicer(WebhookServiceServicer):
    """Converts requests and responses."""

    def __init__(self, maker: WebhookMaker, webhooks: OwnersWebhooks, deliveries: Deliveries) -> None:
        self._maker = maker
        self._webhooks = webhooks
        self._deliveries = deliveries

    async def CreateWebhook(
        self, request: pb.CreateWebhookRequest, context: Context
    ) -> pb.CreateWebhookResponse:
        return await self._maker.create(_owner(request), request)

    async def GetWebhook(self, request: pb.GetWebhookRequest, context: Context) -> pb.GetWebhookResponse:
        found = await self._webhooks.get(_owner(request), UUID(request.webhook_id))
        return pb.GetWebhookResponse(webhook=found)

    async def ListWebhooks(
        self, request: pb.ListWebhooksRequest, context: Context
    ) -> pb.ListWebhooksResponse:
        found, token = await self._webhooks.page(_owner(request), request.page_size, request.page_token)
        return pb.ListWebhooksResponse(webhooks=found, next_page_token=token)

    async def UpdateWebhook(
        self, request: pb.UpdateWebhookRequest, context: Context
    ) -> pb.UpdateWebhookResponse:
        return pb.UpdateWebhookResponse(webhook=await self._webhooks.update(_owner(request), request))

    async def DeleteWebhook(
        self, request: pb.DeleteWebhookRequest, context: Context
    ) -> pb.DeleteWebhookResponse:
        await self._webhooks.delete(_owner(request), UUID(request.webhook_id))
        return pb.DeleteWebhookResponse()

    async def RotateWebhookSecret(
        self, request: pb.RotateWebhookSecretRequest, context: Context
    ) -> pb.RotateWebhookSecretResponse:
        overlap = request.overlap_seconds if request.HasField("overlap_seconds") else OVERLAP_SECONDS
        found, secret = await self._webhooks.rotate(_owner(request), UUID(request.webhook_id), overlap)
        return pb.RotateWebhookSecretResponse(webhook=found, secret=secret)

    async def TestWebhook(self, request: pb.TestWebhookRequest, context: Context) -> pb.TestWebhookResponse:
        asker = current_principal().subject
        owner = _owner(request)
        made = await self._deliveries.ping(owner, UUID(request.webhook_id), owner or asker)
        return pb.TestWebhookResponse(delivery=made)

    async def ListDeliveries(
        self, request: pb.ListDeliveriesRequest, context: Context
    ) -> pb.ListDeliveriesResponse:
        found, token = await self._deliveries.page(
            _owner(request), UUID(request.webhook_id), request.state, request.page_size, request.page_token
        )
        return pb.ListDeliveriesResponse(deliveries=found, next_page_token=token)

    async def ReplayDeliveries(
        self, request: pb.ReplayDeliveriesRequest, context: Context
    ) -> pb.ReplayDeliveriesResponse:
        owner, webhook = _owner(request), UUID(request.webhook_id)
        if request.WhichOneof("what") == "after":
            await self._deliveries.rewind(owner, webhook, request.after)
            return pb.ReplayDeliveriesResponse()
        count = await self._deliveries.replay(owner, webhook, request.delivery_id)
        return pb.ReplayDeliveriesResponse(replayed=count)


def _owner(request: _Whose) -> str:
    """The owner of the webhooks that a request is about. Raises PermissionDenied, UserMismatch, InvalidField,
    TokenMissing.
    """
    principal = current_principal()
    if not request.all_users:
        return effective_owner(principal, request.user_id)
    only_admins(principal, "have webhooks for the events of all users")
    if request.user_id:
        raise InvalidField("Name user_id or all_users, not both.", field="user_id", rule="exclusive")
    return INSTALLATION


class WebhookDeliveryServicer(WebhookDeliveryServiceServicer):
    """Converts requests and responses."""

    def __init__(self, claims: DeliveryClaims) -> None:
        self._claims = claims

    async def ClaimDeliveries(
        self, request: delivery_pb.ClaimDeliveriesRequest, context: Context
    ) -> delivery_pb.ClaimDeliveriesResponse:
        claimed = await self._claims.claim(request.limit, request.lease_seconds)
        return delivery_pb.ClaimDeliveriesResponse(deliveries=claimed)

    async def RecordDelivery(
        self, request: delivery_pb.RecordDeliveryRequest, context: Context
    ) -> delivery_pb.RecordDeliveryResponse:
        return delivery_pb.RecordDeliveryResponse(outcome=await self._claims.record(request))
