"""Deliveries: made once per event, in order for each subject, until they arrive; owners in parallel."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid

import pytest

from metadata_service.audit import Acts
from metadata_service.db.database import SYSTEM
from metadata_service.erasing import traces
from metadata_service.webhooks import fanout
from servicekit.auth.principal import Principal
from servicekit.context import RequestContext, bind
from strongroom.metadata.v1 import notification_service_pb2 as events
from strongroom.metadata.v1.webhook_delivery_service_pb2 import ClaimedDelivery
from strongroom.metadata.v1.webhook_pb2 import DELIVERY_STATE_DEAD, EventFilter
from tests.integration.metadata_service.webhooks.conftest import Hooks


def subjects(claimed: list[ClaimedDelivery]) -> list[str]:
    return [json.loads(one.body)["subject_id"] for one in claimed]


async def test_an_event_is_one_signed_message(hooks: Hooks, owner: str, subject: str) -> None:
    made = await hooks.make(owner)
    await hooks.happens(owner, subject)
    [claimed] = await hooks.claim()
    body = json.loads(claimed.body)
    assert (body["type"], body["user_id"], body["subject_id"]) == ("file_ready", owner, subject)
    assert body["data"] == {"family": "file", "filename": "a.txt"}
    key = base64.b64decode(made.secret.removeprefix("whsec_"))
    signed = f"{claimed.message_id}.{claimed.timestamp}.".encode() + claimed.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert claimed.signature == f"v1,{expected}"
    assert await hooks.told(claimed) == "delivered"
    assert await hooks.claim() == []
    assert (await hooks.owners.get(owner, uuid.UUID(made.webhook.id))).delivered == 1


async def test_what_was_before_the_webhook_is_not_sent(hooks: Hooks, owner: str, subject: str) -> None:
    await hooks.happens(owner, subject)
    await hooks.make(owner)
    assert await hooks.claim() == []


async def test_of_one_subject_the_next_waits_for_the_first(hooks: Hooks, owner: str) -> None:
    await hooks.make(owner)
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    for subject in (one, one, other, one):
        await hooks.happens(owner, subject)
    first = await hooks.claim()
    assert sorted(subjects(first)) == sorted([one, other])
    assert await hooks.claim() == []
    first.sort(key=lambda claimed: subjects([claimed]) == [one])
    of_other, of_one = first
    assert await hooks.told(of_other) == "delivered"
    assert await hooks.told(of_one, 500) == "retried"
    assert await hooks.claim() == []
    hooks.now_due()
    [again] = await hooks.claim()
    assert again.message_id == of_one.message_id
    assert again.body == of_one.body
    assert await hooks.told(again) == "delivered"
    [second] = await hooks.claim()
    assert subjects([second]) == [one]
    assert second.message_id != of_one.message_id


async def test_a_sender_that_dies_is_followed_by_another(hooks: Hooks, owner: str, subject: str) -> None:
    await hooks.make(owner)
    await hooks.happens(owner, subject)
    [first] = await hooks.claim(lease=0.001)
    [second] = await hooks.claim()
    assert first.message_id == second.message_id
    assert await hooks.told(first) == "stale"
    assert await hooks.told(second) == "delivered"


async def test_after_the_last_try_it_is_a_dead_letter(hooks: Hooks, owner: str, subject: str) -> None:
    hooks = hooks.but(tries=3)
    webhook = uuid.UUID((await hooks.make(owner)).webhook.id)
    await hooks.happens(owner, subject)
    outcomes = []
    for _ in range(3):
        hooks.now_due()
        [claimed] = await hooks.claim()
        outcomes.append(await hooks.told(claimed, 404))
    assert outcomes == ["retried", "retried", "dead"]
    [dead], _ = await hooks.deliveries.page(owner, webhook, DELIVERY_STATE_DEAD, 0, "")
    assert (dead.tries, dead.status, dead.failure) == (3, 404, "the target answers 404")
    assert await hooks.deliveries.replay(owner, webhook) == 1
    [again] = await hooks.claim()
    assert again.message_id == dead.id
    assert await hooks.told(again) == "delivered"
    assert await hooks.deliveries.replay(owner, webhook, dead.id) == 1
    assert [one.message_id for one in await hooks.claim()] == [dead.id]


async def test_pauses_grow_and_heed_retry_after(hooks: Hooks, owner: str) -> None:
    webhook = (await hooks.make(owner)).webhook.id
    for _ in range(2):
        await hooks.happens(owner, str(uuid.uuid4()))
    first, second = await hooks.claim()
    await hooks.told(first, 400)
    await hooks.told(second, 429, retry_after_seconds=1000.0)
    pauses = hooks.world.logins.rows(
        "SELECT status, extract(epoch FROM next_at - now())::float8 FROM webhook_deliveries"
        " WHERE webhook_id = %s ORDER BY status",
        webhook,
    )
    (_, plain), (_, asked) = pauses
    assert 5 < plain < 13
    assert 990 < asked < 1001
    hooks.world.logins.change("UPDATE webhook_deliveries SET next_at = now() - interval '1 s'")
    assert await hooks.claim() == [], "the target has asked to be left alone"


async def test_a_failing_target_gets_one_at_a_time(hooks: Hooks, owner: str) -> None:
    await hooks.make(owner)
    for _ in range(6):
        await hooks.happens(owner, str(uuid.uuid4()))
    first = await hooks.claim()
    assert len(first) == hooks.rules.parallel_each
    for one in first:
        await hooks.told(one, 0)
    hooks.now_due()
    [probe] = await hooks.claim()
    await hooks.told(probe, 204)
    hooks.now_due()
    assert len(await hooks.claim()) == hooks.rules.parallel_each


async def test_one_owner_does_not_take_the_places_of_another(hooks: Hooks) -> None:
    hooks = hooks.but(parallel=3, parallel_each=2)
    busy, quiet = (f"user-{uuid.uuid4()}" for _ in range(2))
    for _ in range(3):
        await hooks.make(busy)
    await hooks.make(quiet)
    for _ in range(4):
        await hooks.happens(busy, str(uuid.uuid4()))
    await hooks.happens(quiet, str(uuid.uuid4()))
    claimed = await hooks.claim(limit=2)
    assert {one.claim.owner_id for one in claimed} == {busy, quiet}
    claimed += await hooks.claim()
    assert [one.claim.owner_id for one in claimed].count(busy) == 3


async def test_a_webhook_gets_what_it_asked_for(hooks: Hooks, owner: str) -> None:
    wanted = EventFilter(types=[events.EVENT_TYPE_FILE_READY], families=["generation", "project"])
    await hooks.make(owner, wanted)
    await hooks.happens(owner, "right", family="generation")
    await hooks.happens(owner, "wrong family")
    await hooks.happens(owner, "wrong type", events.EVENT_TYPE_FILE_DELETED, "generation")
    await hooks.happens(owner, "progress", events.EVENT_TYPE_UPLOAD_PROGRESS)
    await hooks.happens(f"user-{uuid.uuid4()}", "somebody else's", family="generation")
    assert subjects(await hooks.claim()) == ["right"]


async def test_the_installation_hears_of_all_users(hooks: Hooks) -> None:
    with bind(RequestContext("test", principal=Principal("root", is_admin=True))):
        made = await hooks.make("")
    acts = await Acts(hooks.world.database).page("", "create_webhook", 0, 1)
    assert [(act.actor, json.loads(act.details_json)) for act in acts] == [
        ("root", {"webhook_id": made.webhook.id})
    ]
    owners = [f"user-{uuid.uuid4()}" for _ in range(3)]
    for one in owners:
        await hooks.happens(one, str(uuid.uuid4()))
    claimed = await hooks.claim()
    assert sorted(json.loads(one.body)["user_id"] for one in claimed) == sorted(owners)
    await hooks.world.database.transact(SYSTEM, lambda tx: traces.remove(tx, owners[0]))
    left = hooks.world.logins.rows("SELECT user_id FROM webhook_deliveries WHERE owner_id = ''")
    assert sorted(user for (user,) in left) == sorted(owners[1:]), "of an erased user nothing is left"


async def test_events_are_read_again_from_a_cursor(hooks: Hooks, owner: str) -> None:
    webhook = uuid.UUID((await hooks.make(owner)).webhook.id)
    for number in range(3):
        await hooks.happens(owner, f"s{number}")
    claimed = await hooks.claim()
    for one in claimed:
        await hooks.told(one)
    first = json.loads(claimed[0].body)["id"]
    await hooks.deliveries.rewind(owner, webhook, first)
    again = await hooks.claim()
    assert {one.message_id for one in again} == {one.message_id for one in claimed[1:]}


async def test_a_full_backlog_stays_in_the_outbox(hooks: Hooks, owner: str) -> None:
    hooks = hooks.but(backlog=2, parallel_each=10)
    await hooks.make(owner)
    for number in range(5):
        await hooks.happens(owner, f"s{number}")
    seen = []
    while claimed := await hooks.claim():
        assert len(claimed) <= 2
        seen += subjects(claimed)
        for one in claimed:
            await hooks.told(one)
    assert seen == [f"s{number}" for number in range(5)]


async def test_what_is_no_longer_kept_is_told_as_a_gap(hooks: Hooks, owner: str) -> None:
    webhook = uuid.UUID((await hooks.make(owner)).webhook.id)
    hooks.world.logins.change("UPDATE webhooks SET cursor_at = now() - interval '2 days'")
    await hooks.happens(owner, "kept")
    claimed = await hooks.claim()
    lost, kept = sorted(claimed, key=lambda one: json.loads(one.body)["type"])
    assert json.loads(lost.body)["type"] == "events_lost"
    assert json.loads(lost.body)["data"].keys() == {"after", "lost_from", "lost_until"}
    assert subjects([kept]) == ["kept"]
    shown = await hooks.owners.get(owner, webhook)
    assert shown.HasField("lost_from_time")
    assert shown.HasField("lost_until_time")
    for one in claimed:
        await hooks.told(one)
    await hooks.happens(owner, "later")
    assert subjects(await hooks.claim()) == ["later"], "a gap is told once"


async def test_after_a_dump_was_restored_it_goes_on(hooks: Hooks, owner: str) -> None:
    """A new cluster counts transactions from the beginning; the cursors, and events that waited, are from the
    old one.
    """
    await hooks.make(owner)
    hooks.world.logins.change("UPDATE webhooks SET cursor_xid = '99999999999', cursor_id = 7")
    await hooks.happens(owner, "first")
    first, lost = sorted(await hooks.claim(), key=lambda one: str(json.loads(one.body)["type"]), reverse=True)
    assert json.loads(lost.body)["type"] == "events_lost"
    assert json.loads(lost.body)["data"]["after"].startswith("99999999999-7-")
    assert subjects([first]) == ["first"]
    for one in (lost, first):
        await hooks.told(one)
    await hooks.happens(owner, "second")
    assert subjects(await hooks.claim()) == ["second"], "told once"


async def test_the_cursor_of_a_quiet_owner_keeps_up(hooks: Hooks, owner: str, subject: str) -> None:
    await hooks.make(owner)
    hooks.world.logins.change("UPDATE webhooks SET cursor_at = now() - interval '2 days'")
    assert await hooks.claim() == []
    await hooks.happens(owner, subject)
    assert subjects(await hooks.claim()) == [subject]


@pytest.mark.parametrize(("status", "cause"), [(410, "gone"), (500, "failing")])
async def test_a_dead_target_is_switched_off(
    hooks: Hooks, owner: str, subject: str, status: int, cause: str
) -> None:
    webhook = uuid.UUID((await hooks.make(owner)).webhook.id)
    await hooks.happens(owner, subject)
    hooks.world.logins.change("UPDATE webhooks SET failing_since = now() - interval '6 days'")
    [claimed] = await hooks.claim()
    await hooks.told(claimed, status)
    assert (await hooks.owners.get(owner, webhook)).cause == cause
    hooks.now_due()
    assert await hooks.claim() == []
    [(kind, payload)] = hooks.world.logins.rows(
        "SELECT type, payload FROM events WHERE owner_id = %s ORDER BY id DESC LIMIT 1", owner
    )
    assert (kind, payload["cause"]) == (events.EVENT_TYPE_WEBHOOK_DISABLED, cause)


async def test_a_secret_that_cannot_be_read_switches_it_off(hooks: Hooks, owner: str, subject: str) -> None:
    webhook = uuid.UUID((await hooks.make(owner)).webhook.id)
    await hooks.happens(owner, subject)
    hooks.world.logins.change("UPDATE webhooks SET secrets = '\\x0102'::bytea")
    assert await hooks.claim() == []
    assert (await hooks.owners.get(owner, webhook)).cause == "secret_unreadable"


async def test_webhooks_without_room_keep_none_from_others(
    hooks: Hooks, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise fifty dead targets with full backlogs would be the only ones that are ever looked at."""
    monkeypatch.setattr(fanout, "WEBHOOKS", 2)
    few = hooks.but(backlog=1)
    for owner in ("dead-1", "dead-2"):
        await few.make(owner)
        await few.happens(owner, subject)
        await few.happens(owner, subject)
    for delivery in await few.claim():
        assert await few.told(delivery, 500) == "retried"
    await few.make("alive")
    await few.happens("alive", subject)
    assert [delivery.claim.owner_id for delivery in await few.claim()] == ["alive"]
