"""Builds the use cases of webhooks for ``bootstrap``."""

from __future__ import annotations

from collections.abc import Collection

from metadata_service.config import WebhookRules
from metadata_service.db.database import Database
from metadata_service.db.paging import PageTokens
from metadata_service.events.horizon import Horizon
from metadata_service.webhooks.claims import DeliveryClaims
from metadata_service.webhooks.deliveries import Deliveries
from metadata_service.webhooks.making import WebhookMaker
from metadata_service.webhooks.owners import OwnersWebhooks
from metadata_service.webhooks.secrets import SealedSecrets
from metadata_service.webhooks.targets import TargetRules


class Webhooks:
    """`secret`: seals webhooks' secrets. `ports`, `allow_hosts`: as for imports."""

    def __init__(
        self,
        database: Database,
        tokens: PageTokens,
        secret: bytes,
        rules: WebhookRules,
        horizon: Horizon,
        *,
        ports: Collection[int],
        allow_hosts: Collection[str],
    ) -> None:
        sealed, targets = SealedSecrets(secret), TargetRules(ports, allow_hosts)
        self.maker = WebhookMaker(database, sealed, targets, rules, horizon)
        self.owners = OwnersWebhooks(database, tokens, sealed, targets)
        self.deliveries = Deliveries(database, tokens, rules.events)
        self.claims = DeliveryClaims(database, sealed, rules, horizon)
