"""Webhooks as their owners see and change them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from metadata_service import audit
from metadata_service.db.database import Database, Row, Transaction
from metadata_service.db.paging import BEFORE, PageTokens, page_size
from metadata_service.webhooks.rows import (
    ACTIVE,
    COLUMNS,
    INSTALLATION,
    PAUSED,
    not_found,
    scope_of,
    to_webhook,
)
from metadata_service.webhooks.secrets import SealedSecrets, Secret, rotated
from metadata_service.webhooks.targets import TargetRules, checked
from servicekit.context import current_principal, current_request_id
from servicekit.texts import refuse_nul
from strongroom.metadata.v1.webhook_pb2 import Webhook
from strongroom.metadata.v1.webhook_service_pb2 import UpdateWebhookRequest

LARGEST_PAGE: Final = 100
OVERLAP_SECONDS: Final = 24 * 3600

_ONE: Final = f"SELECT {COLUMNS}, secrets FROM webhooks WHERE owner_id = %(owner)s AND id = %(id)s"
PAGE: Final = f"""
SELECT {COLUMNS}, webhooks.secrets, webhooks.created_at FROM webhooks WHERE owner_id = %(owner)s
    AND {BEFORE.format(moment="created_at", id="id")}
ORDER BY webhooks.created_at DESC, webhooks.id DESC LIMIT %(limit)s
"""
# Enabling a webhook or changing its target resets its failures.
_UPDATE: Final = f"""
UPDATE webhooks SET url = coalesce(%(url)s, url), description = coalesce(%(description)s, description),
    types = coalesce(%(types)s::smallint[], types), families = coalesce(%(families)s::text[], families),
    state = coalesce(%(state)s, state),
    cause = CASE WHEN %(state)s::smallint IS NULL THEN cause ELSE '' END,
    failures = CASE WHEN %(anew)s THEN 0 ELSE failures END,
    failing_since = CASE WHEN %(anew)s THEN NULL ELSE failing_since END,
    not_before = CASE WHEN %(anew)s THEN NULL ELSE not_before END,
    updated_at = now()
WHERE owner_id = %(owner)s AND id = %(id)s RETURNING {COLUMNS}, secrets
"""
_LOCKED: Final = f"{_ONE} FOR UPDATE"
_ROTATE: Final = f"""
UPDATE webhooks SET secrets = %(secrets)s, updated_at = now()
WHERE owner_id = %(owner)s AND id = %(id)s RETURNING {COLUMNS}, secrets
"""
_DELETE: Final = "DELETE FROM webhooks WHERE owner_id = %(owner)s AND id = %(id)s"


@dataclass(frozen=True, slots=True)
class OwnersWebhooks:
    """Reads, edits, rotates, removes."""

    database: Database
    tokens: PageTokens
    sealed: SealedSecrets
    targets: TargetRules

    async def get(self, owner_id: str, webhook_id: UUID) -> Webhook:
        """One webhook. Raises WebhookNotFound."""
        rows = await self.database.read(scope_of(owner_id), _ONE, {"owner": owner_id, "id": webhook_id})
        return self._shown(owner_id, rows[0] if rows else None)

    async def page(self, owner_id: str, size: int, token: str) -> tuple[list[Webhook], str]:
        """One page, newest first, and the next one's token (`""`: none). Raises InvalidPageToken."""
        query = ["ListWebhooks", owner_id]
        before, before_id = self.tokens.open_moment(query, token) if token else (None, None)
        limit = page_size(size, default=LARGEST_PAGE, largest=LARGEST_PAGE)
        values = {"owner": owner_id, "before": before, "before_id": before_id, "limit": limit + 1}
        rows = await self.database.read(scope_of(owner_id), PAGE, values)
        page = rows[:limit]
        more = len(rows) > limit
        following = self.tokens.seal_moment(query, page[-1][-1], page[-1][0]) if more else ""
        return [self._shown(owner_id, row[:-1]) for row in page], following

    async def update(self, owner_id: str, request: UpdateWebhookRequest) -> Webhook:
        """Change a webhook, and return it. Raises WebhookNotFound, InvalidField."""
        refuse_nul(request, "webhook")
        types, families = checked(request.filter.types, request.filter.families)
        url = self.targets.check(request.url) if request.HasField("url") else None
        state = (PAUSED if request.paused else ACTIVE) if request.HasField("paused") else None
        values: dict[str, object] = {
            "owner": owner_id,
            "id": request.webhook_id,
            "url": url,
            "description": request.description.strip() if request.HasField("description") else None,
            "types": types if request.HasField("filter") else None,
            "families": families if request.HasField("filter") else None,
            "state": state,
            "anew": url is not None or state == ACTIVE,
        }

        async def work(tx: Transaction) -> Row | None:
            row = await tx.fetch_one(_UPDATE, values)
            if row is not None:
                await note_act(tx, owner_id, "update_webhook", row[0])
            return row

        return self._shown(owner_id, await self.database.transact(scope_of(owner_id), work))

    async def rotate(self, owner_id: str, webhook_id: UUID, overlap: int) -> tuple[Webhook, str]:
        """The webhook and its new secret; old ones sign for another `overlap` seconds.

        Raises WebhookNotFound.
        """
        secret, now = Secret.new(), time.time()

        async def work(tx: Transaction) -> Row | None:
            values: dict[str, object] = {"owner": owner_id, "id": webhook_id}
            row = await tx.fetch_one(_LOCKED, values)
            if row is None:
                return None
            kept = rotated(self._kept(owner_id, row), secret, now + overlap)
            values["secrets"] = self.sealed.seal(kept, owner_id, str(webhook_id))
            await note_act(tx, owner_id, "rotate_webhook_secret", webhook_id)
            return await tx.fetch_one(_ROTATE, values)

        return self._shown(owner_id, await self.database.transact(scope_of(owner_id), work)), secret.shown()

    async def delete(self, owner_id: str, webhook_id: UUID) -> None:
        """Delete a webhook and its deliveries. Raises WebhookNotFound."""

        async def work(tx: Transaction) -> int:
            gone = await tx.execute(_DELETE, {"owner": owner_id, "id": webhook_id})
            if gone:
                await note_act(tx, owner_id, "delete_webhook", webhook_id)
            return gone

        if not await self.database.transact(scope_of(owner_id), work):
            raise not_found()

    def _shown(self, owner_id: str, row: Row | None) -> Webhook:
        if row is None:
            raise not_found()
        return to_webhook(row[:-1], len(self._kept(owner_id, row)))

    def _kept(self, owner_id: str, row: Row) -> list[Secret]:
        try:
            return self.sealed.open(bytes(row[-1]), owner_id, row[0], time.time())
        except ValueError:
            return []


async def note_act(tx: Transaction, owner_id: str, act: str, webhook_id: object) -> None:
    """Record an admin's change of the installation's webhooks, in the transaction of the change.

    Owners' changes of their own webhooks are not recorded.
    """
    if owner_id == INSTALLATION:
        actor, details = current_principal().subject, {"webhook_id": str(webhook_id)}
        await audit.write(tx, audit.Act(act, actor, details=details, request_id=current_request_id()))
