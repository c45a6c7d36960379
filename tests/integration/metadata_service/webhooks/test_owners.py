"""Webhooks as their owners see them: created, listed, changed, rotated, deleted, and hidden from others."""

from __future__ import annotations

import uuid

import pytest

from strongroom.errors import (
    IdempotencyKeyReused,
    InvalidField,
    OffsetOutOfRange,
    WebhookLimitReached,
    WebhookNotFound,
)
from strongroom.metadata.v1.webhook_pb2 import WEBHOOK_STATE_ACTIVE, WEBHOOK_STATE_PAUSED, EventFilter
from strongroom.metadata.v1.webhook_service_pb2 import UpdateWebhookRequest
from tests.integration.metadata_service.webhooks.conftest import URL, Hooks


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("ftp://example.com/", "scheme"),
        ("https://user:pw@example.com/", "credentials"),
        ("https://example.com:22/", "port"),
        ("http://127.0.0.1/", "public_address"),
        ("http://169.254.169.254/latest", "public_address"),
        ("http://[::1]/", "public_address"),
        ("http://[::ffff:10.0.0.1]/", "public_address"),
        ("https://exa mple.com/", "characters"),
        ("https:///path", "host"),
        ("https://example.com/#part", "form"),
    ],
)
async def test_urls_that_are_not_taken(hooks: Hooks, owner: str, url: str, rule: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await hooks.make(owner, url=url)
    assert refused.value.metadata["rule"] == rule
    assert refused.value.metadata["field"] == "url"
    assert "source URL" not in refused.value.message


async def test_a_repeat_gets_the_same_answer(hooks: Hooks, owner: str) -> None:
    made = await hooks.make(owner, request_id="r1")
    assert await hooks.make(owner, request_id="r1") == made
    with pytest.raises(IdempotencyKeyReused):
        await hooks.make(owner, request_id="r1", description="other")


async def test_an_owner_has_so_many(hooks: Hooks, owner: str) -> None:
    hooks = hooks.but(webhooks=2)
    for _ in range(2):
        await hooks.make(owner)
    with pytest.raises(WebhookLimitReached):
        await hooks.make(owner)
    await hooks.make(f"user-{uuid.uuid4()}")


async def test_pages_go_from_new_to_old(hooks: Hooks, owner: str) -> None:
    made = [(await hooks.make(owner)).webhook.id for _ in range(3)]
    first, token = await hooks.owners.page(owner, 2, "")
    rest, end = await hooks.owners.page(owner, 2, token)
    assert [one.id for one in (*first, *rest)] == made[::-1]
    assert end == ""


async def test_pausing_and_going_on(hooks: Hooks, owner: str, subject: str) -> None:
    made = (await hooks.make(owner)).webhook
    paused = await hooks.owners.update(owner, UpdateWebhookRequest(webhook_id=made.id, paused=True))
    assert paused.state == WEBHOOK_STATE_PAUSED
    assert paused.url == URL
    await hooks.happens(owner, subject)
    assert await hooks.claim() == []
    active = await hooks.owners.update(owner, UpdateWebhookRequest(webhook_id=made.id, paused=False))
    assert active.state == WEBHOOK_STATE_ACTIVE
    assert len(await hooks.claim()) == 1


async def test_old_and_new_secret_sign_during_the_overlap(hooks: Hooks, owner: str, subject: str) -> None:
    made = await hooks.make(owner)
    webhook = uuid.UUID(made.webhook.id)
    rotated, fresh = await hooks.owners.rotate(owner, webhook, 3600)
    assert (rotated.secrets, fresh != made.secret) == (2, True)
    await hooks.happens(owner, subject)
    [claimed] = await hooks.claim()
    assert len(claimed.signature.split(" ")) == 2
    rotated, _ = await hooks.owners.rotate(owner, webhook, 0)
    assert rotated.secrets == 1
    for _ in range(8):
        rotated, _ = await hooks.owners.rotate(owner, webhook, 3600)
    assert rotated.secrets == 5


async def test_a_stranger_finds_nothing(hooks: Hooks, owner: str) -> None:
    made = (await hooks.make(owner)).webhook
    webhook, stranger = uuid.UUID(made.id), f"user-{uuid.uuid4()}"
    for who in (stranger, ""):
        assert (await hooks.owners.page(who, 0, ""))[0] == []
        for call in (
            hooks.owners.get(who, webhook),
            hooks.owners.update(who, UpdateWebhookRequest(webhook_id=made.id, paused=True)),
            hooks.owners.rotate(who, webhook, 0),
            hooks.owners.delete(who, webhook),
            hooks.deliveries.ping(who, webhook, who),
            hooks.deliveries.page(who, webhook, 0, 0, ""),
            hooks.deliveries.replay(who, webhook),
            hooks.deliveries.rewind(who, webhook, made.cursor),
        ):
            with pytest.raises(WebhookNotFound):
                await call
    await hooks.owners.delete(owner, webhook)
    with pytest.raises(WebhookNotFound):
        await hooks.owners.get(owner, webhook)


async def test_a_test_goes_first(hooks: Hooks, owner: str) -> None:
    hooks = hooks.but(parallel_each=1)
    webhook = uuid.UUID((await hooks.make(owner)).webhook.id)
    await hooks.happens(owner, "before")
    ping = await hooks.deliveries.ping(owner, webhook, owner)
    [claimed] = await hooks.claim()
    assert claimed.message_id == ping.id


@pytest.mark.parametrize("cursor", ["", "1", "1-2-x", "9" * 19 + "-1-1", "1-1-" + "9" * 18, "-1-1-1"])
async def test_what_is_no_cursor(hooks: Hooks, owner: str, cursor: str) -> None:
    webhook = uuid.UUID((await hooks.make(owner)).webhook.id)
    with pytest.raises(InvalidField) as refused:
        await hooks.deliveries.rewind(owner, webhook, cursor)
    assert refused.value.metadata["field"] == "after"


async def test_a_cursor_that_is_too_old(hooks: Hooks, owner: str) -> None:
    webhook = uuid.UUID((await hooks.make(owner)).webhook.id)
    with pytest.raises(OffsetOutOfRange):
        await hooks.deliveries.rewind(owner, webhook, "1-1-1000000000")


@pytest.mark.parametrize("families", [["files"], ["unspecified"], ["file", "x"]])
async def test_families_that_there_are_not(hooks: Hooks, owner: str, families: list[str]) -> None:
    with pytest.raises(InvalidField):
        await hooks.make(owner, EventFilter(families=families))
