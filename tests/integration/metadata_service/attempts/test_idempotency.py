"""One answer per request id."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from google.protobuf.duration_pb2 import Duration

from metadata_service.blobs.rows import Handle
from metadata_service.config import Limits
from metadata_service.files import retention
from strongroom.errors import (
    IdempotencyKeyReused,
    InvalidField,
    PreconditionFailed,
    RequestInProgress,
    RetentionHeld,
    StrongroomError,
)
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.retention_pb2 import RetentionWish
from tests.databases import Logins
from tests.integration.metadata_service.world import (
    World,
    fingerprint,
    handle,
    make_world,
    path_spec,
    plain_spec,
)


def age_key(world: World, owner: str, hours: int = 25) -> None:
    """Make the owner's idempotency keys older."""
    world.logins.change(
        "UPDATE idempotency_keys SET created_at = created_at - %s * interval '1 h',"
        " expires_at = expires_at - %s * interval '1 h' WHERE owner_id = %s",
        hours,
        hours,
        owner,
    )


async def test_a_repeat_after_the_commit_gets_the_stored_answer(world: World, owner: str) -> None:
    file = await world.upload(owner, plain_spec("r1"))
    response = await world.reserve(owner, plain_spec("r1"))
    assert response.replay == file
    assert (response.replay.size_bytes, response.replay.crc32c) == (file.size_bytes, file.crc32c)


async def test_a_repeat_of_what_was_to_create_only(world: World, owner: str) -> None:
    """The file that now exists at the path was created by the first try."""
    spec = path_spec(request_id="r1", if_generation_match=0)
    file = await world.upload(owner, spec)
    assert (await world.reserve(owner, spec)).replay == file
    with pytest.raises(PreconditionFailed):
        await world.reserve(owner, path_spec(request_id="r2", if_generation_match=0))
    with pytest.raises(PreconditionFailed):
        await world.reserve(owner, path_spec(if_generation_match=0))
    with pytest.raises(IdempotencyKeyReused):
        await world.reserve(owner, path_spec(request_id="r1", if_generation_match=7))


async def test_a_repeat_of_what_is_kept_from_then_on(world: World, owner: str) -> None:
    """The file can't be replaced now, not even by the request that stored it."""
    wishes = (RetentionWish(keep_for=Duration(seconds=600)), RetentionWish(hold_reason="case 7"))
    for number, wish in enumerate(wishes):
        spec = path_spec(f"kept/{number}", request_id=f"r{number}", retention=wish)
        file = await world.upload(owner, spec)
        assert (await world.reserve(owner, spec)).replay == file
        spec.request_id = f"s{number}"
        with pytest.raises(RetentionHeld):
            await world.reserve(owner, spec)


async def test_a_repeat_when_the_time_that_was_named_has_come(
    world: World, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Later:
            return super().now(tz) + timedelta(hours=2)

    wish = RetentionWish()
    wish.keep_until_time.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    file = await world.upload(owner, plain_spec("r1", retention=wish))
    monkeypatch.setattr(retention, "datetime", Later)
    assert (await world.reserve(owner, plain_spec("r1", retention=wish))).replay == file
    with pytest.raises(InvalidField):
        await world.reserve(owner, plain_spec("r2", retention=wish))


async def test_the_answer_alone(world: World, owner: str) -> None:
    """The answer is read before the repeat's own attempt is prepared; reading it takes nothing over."""

    async def answered(request_id: str, same: bytes) -> File | None:
        return await world.reserving.answered(owner, request_id, same)

    same = fingerprint(plain_spec())
    assert (await answered("r1", same), await answered("", same)) == (None, None)
    await world.attempt(owner, plain_spec("r1"))
    assert await answered("r1", same) is None
    file = await world.upload(owner, plain_spec("r2"))
    assert await answered("r2", same) == file
    with pytest.raises(IdempotencyKeyReused):
        await answered("r2", b"other")
    age_key(world, owner)
    assert await answered("r2", same) is None


async def test_the_answer_outlives_the_file(world: World, owner: str) -> None:
    file = await world.upload(owner, plain_spec("r1"))
    await world.delete(owner, file)
    assert (await world.reserve(owner, plain_spec("r1"))).replay == file
    assert world.logins.rows("SELECT 1 FROM files WHERE owner_id = %s", owner) == []


async def test_a_repeat_while_the_first_is_alive_waits(world: World, owner: str) -> None:
    await world.attempt(owner, plain_spec("r1"))
    with pytest.raises(RequestInProgress) as caught:
        await world.reserve(owner, plain_spec("r1"))
    assert caught.value.retry_after is not None
    assert 1 <= caught.value.retry_after <= 30


@pytest.mark.parametrize("finished", [True, False])
async def test_another_request_may_not_use_the_key(world: World, owner: str, finished: bool) -> None:
    blob = await world.attempt(owner, plain_spec("r1"))
    if finished:
        await world.commit(blob)
    with pytest.raises(IdempotencyKeyReused):
        await world.reserve(owner, plain_spec("r1", metadata={"other": "1"}))
    assert (await world.commit(blob)).file.key == blob.key


async def test_another_user_may(world: World, owner: str) -> None:
    one = await world.upload(owner, plain_spec("r1"))
    other = await world.upload(f"{owner}-2", plain_spec("r1"))
    assert one.id != other.id


async def test_of_32_identical_requests_one_proceeds(module_database: Logins, owner: str) -> None:
    async with make_world(module_database, max_size=32) as world:
        outcomes = await asyncio.gather(
            *(world.reserve(owner, plain_spec("r1")) for _ in range(32)), return_exceptions=True
        )
        blobs = [o.blob for o in outcomes if not isinstance(o, BaseException)]
        refused = [o for o in outcomes if isinstance(o, BaseException)]
        assert len(blobs) == 1
        assert {type(error) for error in refused} == {RequestInProgress}
        await world.commit(blobs[0])
        assert (await world.reserve(owner, plain_spec("r1"))).HasField("replay")
    assert len(world.logins.rows("SELECT 1 FROM blobs WHERE owner_id = %s", owner)) == 1


async def test_of_32_repeats_after_a_death_one_takes_over(module_database: Logins, owner: str) -> None:
    async with make_world(module_database, max_size=32) as world:
        dead = await world.attempt(owner, plain_spec("r1"))
        world.run_out(dead)
        outcomes = await asyncio.gather(
            *(world.reserve(owner, plain_spec("r1")) for _ in range(32)), return_exceptions=True
        )
        blobs = [o.blob for o in outcomes if not isinstance(o, BaseException)]
        assert len(blobs) == 1
        assert {type(o) for o in outcomes if isinstance(o, StrongroomError)} == {RequestInProgress}
        assert world.state(dead) == blob_pb2.BLOB_STATE_ABORTING


async def test_the_taken_over_attempt_is_shut_out(world: World, owner: str) -> None:
    dead = await world.attempt(owner, plain_spec("r1"))
    world.run_out(dead)
    heir = await world.attempt(owner, plain_spec("r1"))
    assert heir.key != dead.key
    winner = (await world.commit(heir)).file
    late = await world.commit(dead)
    assert (late.file, late.lost_to_other_attempt) == (winner, True)
    assert world.state(dead) == blob_pb2.BLOB_STATE_ABORTING


async def test_an_abandoned_attempt_frees_the_key_at_once(world: World, owner: str) -> None:
    given_up = await world.attempt(owner, plain_spec("r1"))
    await world.attempts.abandon(handle(given_up))
    assert (await world.attempt(owner, plain_spec("r1"))).id != given_up.id


async def test_completing_attempts_of_one_request_give_one_file(world: World, owner: str) -> None:
    first = await world.completing(owner, plain_spec("r1"))
    world.run_out(first)
    second = await world.completing(owner, plain_spec("r1"))
    assert world.state(first) == blob_pb2.BLOB_STATE_COMPLETING
    won = await world.commit(first)  # as the cleaner would, rolling it forward
    lost = await world.commit(second)
    again = await world.commit(second)
    assert not won.lost_to_other_attempt
    assert (lost.file, lost.lost_to_other_attempt) == (won.file, True)
    assert again == lost
    assert world.state(second) == blob_pb2.BLOB_STATE_ABORTING
    assert len(world.logins.rows("SELECT 1 FROM files WHERE owner_id = %s", owner)) == 1
    assert (await world.usage.usage(owner)).file_count == 1


@pytest.mark.parametrize("cleaner", ["has it", "waits after an outage"])
async def test_a_repeat_does_not_wait_for_the_cleaner(own_world: World, owner: str, cleaner: str) -> None:
    """Only the lease says whether a writer lives, not the cleaner's claims and pauses."""
    world = own_world.but(retry=3600.0, roll_forward_max=3600.0, claim=3600.0)
    dead = await world.completing(owner, plain_spec("r1"))
    world.run_out(dead)
    ((row,), _) = await world.cleaning.claim(0)
    if cleaner != "has it":
        await world.cleaning.release(Handle(owner, row.id, row.epoch))
    heir = await world.completing(owner, plain_spec("r1"))
    assert heir.id != dead.id
    file = (await world.commit(heir)).file
    rolled_forward = row.to_proto()
    late = await world.commit(rolled_forward)
    assert (late.file, late.lost_to_other_attempt) == (file, True)
    assert (await world.reserve(owner, plain_spec("r1"))).replay == file


async def test_the_attempt_that_was_taken_over_takes_no_room(world: World, owner: str) -> None:
    world = world.but(limits=Limits(bytes=15, files=1))
    dead = await world.completing(owner, plain_spec("r1", size_bytes=10))
    world.run_out(dead)
    heir = await world.completing(owner, plain_spec("r1", size_bytes=10))
    assert (await world.usage.usage(owner)).reserved_bytes == 10
    await world.commit(heir)
    assert (await world.commit(dead)).lost_to_other_attempt
    assert (await world.usage.usage(owner)).used_bytes == 10


async def test_committing_both_at_once_gives_one_file(world: World, owner: str) -> None:
    for n in range(10):
        spec = path_spec(f"p{n}", request_id=f"r{n}") if n % 2 else plain_spec(f"r{n}")
        first = await world.completing(owner, spec)
        world.run_out(first)
        second = await world.completing(owner, spec)
        one, two = await asyncio.gather(world.commit(first), world.commit(second))
        assert one.file == two.file
        assert one.lost_to_other_attempt != two.lost_to_other_attempt
    assert len(world.logins.rows("SELECT 1 FROM files WHERE owner_id = %s", owner)) == 10


async def test_a_renewed_lease_beats_a_takeover(world: World, owner: str) -> None:
    blob = await world.attempt(owner, plain_spec("r1"))
    world.run_out(blob)
    await world.attempts.renew_lease(handle(blob))
    with pytest.raises(RequestInProgress):
        await world.reserve(owner, plain_spec("r1"))


async def test_after_a_day_the_key_is_free(world: World, owner: str) -> None:
    first = await world.upload(owner, plain_spec("r1"))
    age_key(world, owner)
    second = await world.upload(owner, plain_spec("r1", metadata={"other": "1"}))
    assert second.id != first.id
    assert (await world.reserve(owner, plain_spec("r1", metadata={"other": "1"}))).replay == second


async def test_an_attempt_alive_keeps_its_key_however_old(world: World, owner: str) -> None:
    blob = await world.attempt(owner, plain_spec("r1"))
    age_key(world, owner)
    await world.cleaning.claim(0)
    with pytest.raises(RequestInProgress):
        await world.reserve(owner, plain_spec("r1"))
    file = (await world.commit(blob)).file
    assert (await world.reserve(owner, plain_spec("r1"))).replay == file


async def test_housekeeping_forgets_old_answers_only(own_world: World, owner: str) -> None:
    await own_world.upload(owner, plain_spec("old"))
    age_key(own_world, owner)
    await own_world.upload(owner, plain_spec("new"))
    await own_world.cleaning.claim(0)
    assert own_world.logins.rows("SELECT request_id FROM idempotency_keys") == [("new",)]


async def test_an_old_attempt_does_not_answer_for_the_keys_new_request(world: World, owner: str) -> None:
    old = await world.completing(owner, plain_spec("r1"))
    world.run_out(old)
    age_key(world, owner)
    world.logins.change("UPDATE blobs SET created_at = created_at - interval '25 h' WHERE id = %s", old.id)
    new = await world.attempt(owner, plain_spec("r1", metadata={"other": "1"}))
    old_file = (await world.commit(old)).file
    new_file = (await world.commit(new)).file
    assert old_file.id != new_file.id
    assert (await world.reserve(owner, plain_spec("r1", metadata={"other": "1"}))).replay == new_file


async def test_the_key_moves_with_a_corrected_target(world: World, owner: str) -> None:
    guess, final = plain_spec("r1"), path_spec("a", request_id="r1")
    first = await world.attempt(owner, guess)
    second = await world.attempt(owner, final, supersedes_blob_id=first.id)
    assert world.state(first) == blob_pb2.BLOB_STATE_PENDING
    file = (await world.commit(second)).file
    await world.attempts.abandon(handle(first))
    for spec in (guess, final):  # a repeat begins with the guess again
        assert (await world.reserve(owner, spec)).replay == file
    with pytest.raises(IdempotencyKeyReused):
        await world.reserve(owner, path_spec("b", request_id="r1"))


async def test_the_key_of_another_attempt_cannot_be_moved(world: World, owner: str) -> None:
    await world.attempt(owner, plain_spec("r1"))
    stranger = await world.attempt(owner, plain_spec())
    with pytest.raises(RequestInProgress):
        await world.reserve(owner, plain_spec("r1"), supersedes_blob_id=stranger.id)


async def test_the_stored_answer_is_the_file_itself(world: World, owner: str) -> None:
    file = await world.upload(owner, plain_spec("r1"))
    ((reply, size, crc32c),) = world.logins.rows(
        "SELECT reply, size_bytes, crc32c FROM idempotency_keys WHERE owner_id = %s", owner
    )
    assert (File.FromString(reply), size, crc32c) == (file, file.size_bytes, file.crc32c)
