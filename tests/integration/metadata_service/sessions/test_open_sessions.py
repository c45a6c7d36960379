"""The limit of open sessions per owner, decided in the transaction that opens one."""

from __future__ import annotations

import asyncio

import pytest

from metadata_service.config import Timing
from metadata_service.sessions.opening import SessionOpener
from strongroom.errors import RateLimited, StrongroomError
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.upload_session_service_pb2 import SESSION_KIND_DIRECT, OpenSessionRequest, Session
from tests.integration.metadata_service.sessions.test_sessions import Sessions
from tests.integration.metadata_service.world import World, plain_spec

MOST = 3


def limited(world: World, owner: str) -> Sessions:
    found = Sessions(world, owner)
    found.opening = SessionOpener(world.database, world.timing, world.reserving, MOST)
    return found


async def count(sessions: Sessions, times: int) -> int:
    """Open sessions at the same time. Returns how many are admitted; the others must be refused
    by the limit.
    """
    found = await asyncio.gather(*(sessions.open() for _ in range(times)), return_exceptions=True)
    for one in found:
        assert isinstance(one, Session | RateLimited), one
        if isinstance(one, RateLimited):
            assert (one.metadata, bool(one.retry_after)) == ({"limit": "user_open_sessions"}, True)
    return sum(isinstance(one, Session) for one in found)


async def test_many_at_once_never_pass_it(world: World, owner: str) -> None:
    ada, bob = limited(world, owner), limited(world, owner + "-bob")
    assert await count(ada, 32) == MOST
    assert await count(ada, 1) == 0
    assert await count(bob, 1) == 1


async def test_whatever_ends_one_makes_room_for_one(world: World, owner: str) -> None:
    ada = limited(world, owner)
    first, second, _ = [await ada.open() for _ in range(MOST)]
    await ada.ending.cancel(owner, first.upload_id)
    assert await count(ada, 3) == 1
    ada.lie_still(second)
    assert await count(ada, 3) == 1
    with pytest.raises(StrongroomError, match="unfinished uploads"):
        await ada.open()


async def test_all_kinds_count_together(world: World, owner: str) -> None:
    ada = limited(world, owner)
    await ada.open()
    await ada.open(partial=True)
    direct = OpenSessionRequest(
        spec=plain_spec(""),
        kind=SESSION_KIND_DIRECT,
        blob_kind=blob_pb2.BLOB_KIND_SINGLE,
        part_size_bytes=8,
    )
    direct.spec.size_bytes = 10
    await ada.opening.open(owner, direct)
    assert await count(ada, 2) == 0


async def test_a_repeat_is_answered_also_when_all_places_are_taken(world: World, owner: str) -> None:
    ada = limited(world, owner)
    first = await ada.open(request_id="r")
    assert await count(ada, 5) == MOST - 1
    assert (await ada.open(request_id="r")).upload_id == first.upload_id


async def test_one_that_nothing_was_sent_of_ends_within_an_hour(world: World, owner: str) -> None:
    sessions = Sessions(world, owner)
    session = await sessions.open()
    assert Timing().empty_session <= 3600
    assert session.expire_time.seconds - session.create_time.seconds == pytest.approx(3600, abs=2)
    await sessions.record(session, 3)
    found = await sessions.reading.get(owner, session.upload_id)
    assert found.expire_time.seconds - session.create_time.seconds > 80_000
