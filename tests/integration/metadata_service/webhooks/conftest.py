"""Webhooks on a real database."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

import pytest

from metadata_service.config import WebhookRules
from metadata_service.db.paging import PageTokens
from metadata_service.events import outbox
from metadata_service.events.horizon import Horizon
from metadata_service.webhooks.claims import DeliveryClaims
from metadata_service.webhooks.deliveries import Deliveries
from metadata_service.webhooks.making import WebhookMaker
from metadata_service.webhooks.owners import OwnersWebhooks
from metadata_service.webhooks.rows import scope_of
from metadata_service.webhooks.secrets import SealedSecrets
from metadata_service.webhooks.targets import TargetRules
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_FILE_READY, EventType
from strongroom.metadata.v1.webhook_delivery_service_pb2 import ClaimedDelivery, RecordDeliveryRequest
from strongroom.metadata.v1.webhook_pb2 import EventFilter
from strongroom.metadata.v1.webhook_service_pb2 import CreateWebhookRequest, CreateWebhookResponse
from tests.integration.metadata_service.events.settling import settled
from tests.integration.metadata_service.world import World

URL = "https://hooks.example.com/in"
SECRET = b"k" * 32


@dataclass
class Hooks:
    """The use cases of webhooks."""

    world: World
    rules: WebhookRules
    secrets: tuple[bytes, ...] = (SECRET,)

    def but(self, **changes: Any) -> Hooks:
        """The same world with other rules."""
        return Hooks(self.world, replace(self.rules, **changes))

    def under(self, *secrets: bytes) -> Hooks:
        """The same world with another internal secret, and old ones."""
        return Hooks(self.world, self.rules, secrets)

    @property
    def sealed(self) -> SealedSecrets:
        return SealedSecrets(*self.secrets)

    @property
    def horizon(self) -> Horizon:
        return Horizon(self.world.database)

    @property
    def maker(self) -> WebhookMaker:
        return WebhookMaker(self.world.database, self.sealed, TargetRules(), self.rules, self.horizon)

    @property
    def owners(self) -> OwnersWebhooks:
        return OwnersWebhooks(self.world.database, PageTokens(SECRET), self.sealed, TargetRules())

    @property
    def deliveries(self) -> Deliveries:
        return Deliveries(self.world.database, PageTokens(SECRET), self.rules.events)

    @property
    def claims(self) -> DeliveryClaims:
        return DeliveryClaims(self.world.database, self.sealed, self.rules, self.horizon)

    async def make(self, owner: str, wanted: EventFilter | None = None, **more: Any) -> CreateWebhookResponse:
        """Create a webhook."""
        request = CreateWebhookRequest(**{"url": URL, **more}, filter=wanted)
        return await self.maker.create(owner, request)

    async def happens(
        self,
        owner: str,
        subject: str,
        kind: EventType.ValueType = EVENT_TYPE_FILE_READY,
        family: str = "file",
    ) -> None:
        """Write an event."""
        statement = outbox.append(owner, kind, subject, {"family": family, "filename": "a.txt"})
        await self.world.database.transact(scope_of(owner), lambda tx: tx.batch([statement]))
        await settled(self.world.pool)

    async def claim(self, limit: int = 100, lease: float = 60.0) -> list[ClaimedDelivery]:
        """Claim the due deliveries."""
        return await self.claims.claim(limit, lease)

    async def told(self, delivery: ClaimedDelivery, status: int = 200, **more: Any) -> str:
        """Record the outcome of a delivery."""
        failure = "" if status in range(200, 300) else f"the target answers {status}"
        request = RecordDeliveryRequest(claim=delivery.claim, status=status, failure=failure, **more)
        return await self.claims.record(request)

    def now_due(self) -> None:
        """End all pauses."""
        self.world.logins.change(
            "UPDATE webhook_deliveries SET next_at = now() - interval '1 s' WHERE state = 1"
        )
        self.world.logins.change("UPDATE webhooks SET not_before = NULL")


@pytest.fixture
def hooks(world: World) -> Hooks:
    """Webhooks of this test only: claims are over all owners."""
    world.logins.change("DELETE FROM webhooks")
    return Hooks(world, WebhookRules())


@pytest.fixture
def subject() -> str:
    """The subject of events."""
    return str(uuid.uuid4())
