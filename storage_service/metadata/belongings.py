"""Shares and webhooks of a user, for the export."""

from __future__ import annotations

from collections.abc import AsyncIterator

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1.share_pb2 import Share
from strongroom.metadata.v1.share_service_pb2 import ListSharesRequest
from strongroom.metadata.v1.share_service_pb2_grpc import ShareServiceStub
from strongroom.metadata.v1.webhook_pb2 import Webhook
from strongroom.metadata.v1.webhook_service_pb2 import ListWebhooksRequest
from strongroom.metadata.v1.webhook_service_pb2_grpc import WebhookServiceStub

PAGE = 100


class Belongings(MetadataClient):
    """Lists them, newest first. An empty ``user_id`` means the caller."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._shares = ShareServiceStub(channel)
        self._webhooks = WebhookServiceStub(channel)

    async def shares(self, user_id: str) -> AsyncIterator[Share]:
        """Yield the user's shares, including those that have ended or were revoked."""
        request = ListSharesRequest(user_id=user_id, page_size=PAGE)
        async for page in self._pages(self._shares.ListShares, request):
            for share in page.shares:
                yield share

    async def webhooks(self, user_id: str) -> AsyncIterator[Webhook]:
        """Yield the user's own webhooks, without their secrets."""
        request = ListWebhooksRequest(user_id=user_id, page_size=PAGE)
        async for page in self._pages(self._webhooks.ListWebhooks, request):
            for webhook in page.webhooks:
                yield webhook
