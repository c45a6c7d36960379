"""The internal secret is replaced one process after the other: webhooks go on."""

from __future__ import annotations

import uuid

import pytest

from metadata_service.config import Timing
from metadata_service.webhooks import resealing
from metadata_service.webhooks.resealing import reseal
from tests.integration.metadata_service.webhooks.conftest import SECRET, Hooks

NEW = b"n" * 32


async def test_webhooks_go_on_while_the_secret_is_replaced_and_after(
    hooks: Hooks, owner: str, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "_BATCH", 1)
    before, during, after = hooks.under(SECRET, NEW), hooks.under(NEW, SECRET), hooks.under(NEW)
    made = await before.make(owner, request_id="r1")
    assert await during.make(owner, request_id="r1") == made
    await during.make(owner, request_id="r2")
    assert [(await at.claim(limit=0)) for at in (before, during)] == [[], []]
    chore = reseal(during.secrets)
    rounds = [await chore(hooks.world.database, Timing()) for _ in range(4)]
    assert sorted(rounds) == [0, 0, 0, 1]  # the second one was sealed with the new one
    await hooks.happens(owner, subject)
    signed = {one.claim.webhook_id for one in await after.claim()}
    assert made.webhook.id in signed
    assert len(signed) == 2
    webhook = await after.owners.get(owner, uuid.UUID(made.webhook.id))
    assert (webhook.cause, webhook.secrets) == ("", 1)
    assert (await after.owners.rotate(owner, uuid.UUID(made.webhook.id), 60))[0].secrets == 2


async def test_what_no_secret_opens_is_left(hooks: Hooks, owner: str) -> None:
    await hooks.make(owner)
    [(before,)] = hooks.world.logins.rows("SELECT secrets FROM webhooks WHERE owner_id = %s", owner)
    chore = reseal((NEW, b"o" * 32))
    assert [await chore(hooks.world.database, Timing()) for _ in range(2)] == [0, 0]
    assert hooks.world.logins.rows("SELECT secrets FROM webhooks WHERE owner_id = %s", owner) == [(before,)]
