"""Creates webhooks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from metadata_service.config import WebhookRules
from metadata_service.db.database import Database, Row, Transaction
from metadata_service.events.horizon import HORIZON, Horizon
from metadata_service.webhooks.owners import note_act
from metadata_service.webhooks.rows import COLUMNS, scope_of, to_webhook
from metadata_service.webhooks.secrets import SealedSecrets, Secret
from metadata_service.webhooks.targets import TargetRules, checked
from servicekit.texts import refuse_nul
from strongroom.errors import IdempotencyKeyReused, WebhookLimitReached
from strongroom.metadata.v1.webhook_service_pb2 import CreateWebhookRequest, CreateWebhookResponse

_LOCK_SEED: Final = 730_519
_LOCK: Final = f"SELECT pg_advisory_xact_lock(hashtextextended(%(owner)s, {_LOCK_SEED}))"
_COUNT: Final = "SELECT count(*) FROM webhooks WHERE owner_id = %(owner)s"
_FREE_ID: Final = """
UPDATE webhooks SET request_id = NULL, fingerprint = NULL
WHERE owner_id = %(owner)s AND request_id = %(request_id)s
    AND created_at <= now() - make_interval(secs => %(keep)s)
"""
_MADE: Final = f"""
SELECT {COLUMNS}, webhooks.fingerprint, webhooks.secrets FROM webhooks
WHERE owner_id = %(owner)s AND request_id = %(request_id)s
"""
# A new webhook begins where a watcher without a resume token would.
_INSERT: Final = f"""
INSERT INTO webhooks (owner_id, id, url, description, types, families, secrets, cursor_xid, cursor_id,
    cursor_at, request_id, fingerprint)
VALUES (%(owner)s, %(id)s, %(url)s, %(description)s, %(types)s::smallint[], %(families)s::text[], %(secrets)s,
    {HORIZON}, 0, now(), %(request_id)s, %(fingerprint)s)
RETURNING {COLUMNS}
"""


@dataclass(frozen=True, slots=True)
class WebhookMaker:
    """Creates webhooks."""

    database: Database
    sealed: SealedSecrets
    targets: TargetRules
    rules: WebhookRules
    horizon: Horizon

    async def create(self, owner_id: str, request: CreateWebhookRequest) -> CreateWebhookResponse:
        """The webhook with its secret, or the answer of an earlier request with this id.

        Raises InvalidField, WebhookLimitReached, IdempotencyKeyReused.
        """
        refuse_nul(request, "webhook")
        types, families = checked(request.filter.types, request.filter.families)
        webhook_id, secret = str(uuid4()), Secret.new()
        values: dict[str, object] = {
            "owner": owner_id,
            "id": webhook_id,
            "url": self.targets.check(request.url),
            "description": request.description.strip(),
            "types": types,
            "families": families,
            "secrets": self.sealed.seal([secret], owner_id, webhook_id),
            "request_id": request.request_id or None,
            "fingerprint": self.sealed.fingerprint(_without_id(request)) if request.request_id else None,
            "keep": self.rules.idempotency,
            **await self.horizon.params(),
        }

        async def work(tx: Transaction) -> CreateWebhookResponse:
            await tx.fetch(_LOCK, values)
            if request.request_id:
                await tx.execute(_FREE_ID, values)
                made = await tx.fetch_one(_MADE, values)
                if made is not None:
                    return self._repeated(owner_id, made, request)
            await self._refuse_too_many(tx, owner_id)
            row = await tx.fetch_one(_INSERT, values)
            if row is None:
                raise AssertionError("an INSERT without a condition returns its row")
            await note_act(tx, owner_id, "create_webhook", webhook_id)
            return CreateWebhookResponse(webhook=to_webhook(row, 1), secret=secret.shown())

        return await self.database.transact(scope_of(owner_id), work)

    async def _refuse_too_many(self, tx: Transaction, owner_id: str) -> None:
        [(count,)] = await tx.fetch(_COUNT, {"owner": owner_id})
        if self.rules.webhooks and count >= self.rules.webhooks:
            raise WebhookLimitReached(
                f"There are {count} webhooks, and no more than {self.rules.webhooks} are allowed;"
                " delete one first.",
                metadata={"limit": str(self.rules.webhooks)},
            )

    def _repeated(self, owner_id: str, made: Row, request: CreateWebhookRequest) -> CreateWebhookResponse:
        *row, known, sealed = made
        if not self.sealed.is_fingerprint(bytes(known), _without_id(request)):
            raise IdempotencyKeyReused(
                "This idempotency key was used for another webhook in the last 24 hours; use a new one."
            )
        try:
            kept = self.sealed.open(bytes(sealed), owner_id, str(row[0]), time.time())
        except ValueError:
            kept = []
        shown = kept[0].shown() if kept else ""
        return CreateWebhookResponse(webhook=to_webhook(tuple(row), len(kept)), secret=shown)


def _without_id(request: CreateWebhookRequest) -> bytes:
    same = CreateWebhookRequest()
    same.CopyFrom(request)
    same.ClearField("request_id")
    return same.SerializeToString(deterministic=True)
