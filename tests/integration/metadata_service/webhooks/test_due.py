"""The cost of a claim depends on what it takes: deliveries behind the first one of a subject, or for a full
target, are not read by later claims.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest

from metadata_service.db.rotation import BY_INDEX
from metadata_service.webhooks import due, metrics
from strongroom.metadata.v1.webhook_delivery_service_pb2 import ClaimedDelivery
from tests.integration.metadata_service.webhooks.conftest import Hooks

WAITING: Final = 500
#: Deliveries made by a release without `behind_until`: `each` per subject, due for an hour.
SEED: Final = f"""
INSERT INTO webhook_deliveries (owner_id, webhook_id, id, user_id, xid, event_id, event_at, type, subject_id,
    payload, next_at)
SELECT owner_id, id, gen_random_uuid(), owner_id, '100', n, now(), 1, 'subject-' || n / %s, '{{}}',
    now() - interval '1 h'
FROM webhooks, generate_series(0, {WAITING - 1}) AS n
"""
PARAMS: Final = {"each": 4, "parallel": 8, "limit": 32, "lease": 20.0}
BEHIND: Final = "SELECT count(*) FROM webhook_deliveries WHERE behind_until > now()"


def subjects(claimed: list[ClaimedDelivery]) -> list[str]:
    return [json.loads(one.body)["subject_id"] for one in claimed]


def scans(plan: dict[str, Any]) -> Iterator[float]:
    """The number of rows of deliveries that each node of the plan has read."""
    if plan.get("Relation Name") == "webhook_deliveries" and "Scan" in plan["Node Type"]:
        removed = sum(rows for name, rows in plan.items() if name.startswith("Rows Removed"))
        yield (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from scans(part)


def rows_read(hooks: Hooks, statement: str) -> float:
    with psycopg.connect(hooks.world.logins.app) as connection:
        connection.execute("SELECT set_config('app.scope', 'system', false)")
        connection.execute(BY_INDEX[0])
        row = connection.execute("EXPLAIN (ANALYZE, TIMING off, FORMAT json) " + statement, PARAMS).fetchone()
        connection.rollback()
    assert row is not None
    return sum(scans(row[0][0]["Plan"]))


@pytest.mark.parametrize("each", [1, 25, WAITING])
async def test_what_waits_is_not_read(hooks: Hooks, each: int) -> None:
    for owner in ("one", "another"):
        for _ in range(3):
            await hooks.make(owner)
    hooks.world.logins.change(SEED, each)
    hooks.world.logins.change("ANALYZE webhook_deliveries")
    looked_at = 6 * (PARAMS["each"] + due.SPARE)
    assert rows_read(hooks, due.CLAIM) <= 5 * looked_at
    waiting = metrics.WAITING.replace("LIMIT 10000", "LIMIT 1")
    assert waiting != metrics.WAITING
    assert rows_read(hooks, waiting) <= 2 * looked_at


async def test_who_is_behind_comes_back_with_the_end_of_the_first(hooks: Hooks, owner: str) -> None:
    hooks = hooks.but(tries=1)
    await hooks.make(owner)
    for subject in ("a", "a", "a", "b"):
        await hooks.happens(owner, subject)
    first, other = sorted(await hooks.claim(), key=lambda one: subjects([one]))
    assert subjects([first, other]) == ["a", "b"]
    assert hooks.world.logins.rows(BEHIND) == [(2,)]
    assert await hooks.told(first) == "delivered"
    [second] = await hooks.claim()
    assert await hooks.told(second, 404) == "dead"
    [third] = await hooks.claim()
    assert subjects([second, third]) == ["a", "a"]
    assert hooks.world.logins.rows(BEHIND) == [(0,)]


async def test_one_subject_of_hundreds_keeps_no_other_waiting(hooks: Hooks, owner: str) -> None:
    """The first one failed and pauses; the others were made without being set aside behind it."""
    hooks = hooks.but(retry=3600.0)  # longer than the test takes on any machine
    await hooks.make(owner)
    hooks.world.logins.change(SEED, WAITING)
    [first] = await hooks.claim()
    assert await hooks.told(first, 404) == "retried"
    await hooks.happens(owner, "another")
    places = hooks.rules.parallel_each + due.SPARE
    claims = [await hooks.claim() for _ in range(WAITING // places + 2)]
    assert [subjects(claimed) for claimed in claims if claimed] == [["another"]]
    assert claims[0] == []
    hooks.now_due()
    assert [one.message_id for one in await hooks.claim()] == [first.message_id]


async def test_nobody_is_put_behind_one_that_is_ending(hooks: Hooks, owner: str) -> None:
    """The end of the first one is being recorded while a claim still sees it waiting."""
    await hooks.make(owner)
    hooks.world.logins.change(SEED, WAITING)
    [first] = await hooks.claim()
    hooks.world.logins.change("UPDATE webhook_deliveries SET behind_until = NULL")
    with psycopg.connect(hooks.world.logins.owner) as recording:
        recording.execute("SET app.scope = 'system'")
        recording.execute(
            "UPDATE webhook_deliveries SET state = 2, ended_at = now() WHERE claims = %s",
            (first.claim.number,),
        )
        assert await hooks.claim() == []
        assert hooks.world.logins.rows(BEHIND) == [(0,)]
        recording.commit()
    assert len(await hooks.claim()) == 1


async def test_who_has_no_room_is_counted_again_after_a_tenth(hooks: Hooks, owner: str) -> None:
    hooks = hooks.but(backlog=20, parallel=20, parallel_each=20)
    webhook = (await hooks.make(owner)).webhook.id
    for number in range(25):
        await hooks.happens(owner, f"s{number}")
    claims = hooks.claims
    claimed = [one for _ in range(2) for one in await claims.claim(100, 60.0)]
    assert len(claimed) == 20
    assert claims.full.params() == {"full": [webhook], "until": [2]}
    await hooks.told(claimed[0])
    assert await claims.claim(100, 60.0) == []
    await hooks.told(claimed[1])
    assert len(await claims.claim(100, 60.0)) == 2
