"""Operators' view of the cleaner's work, and what advances it."""

from __future__ import annotations

import json

import pytest

from metadata_service.attempts.operating import Operating
from metadata_service.audit import Act, Acts
from metadata_service.blobs.rows import Handle
from metadata_service.db.paging import PageTokens
from strongroom.errors import NotFound, UploadSuperseded
from strongroom.metadata.v1 import admin_service_pb2 as pb
from strongroom.metadata.v1 import blob_pb2
from tests.integration.metadata_service.projects.saving import Projects
from tests.integration.metadata_service.world import World

WHY = "OBJECT_STORE_DENIED: no"
ACT = Act("requeue_attempts", "root", request_id="r")


def operating(world: World) -> Operating:
    return Operating(world.database, PageTokens(b"s" * 32))


async def failed(world: World, owner: str, count: int = 1) -> list[str]:
    """Delete files and let the cleaner fail to remove them. Returns their attempts."""
    for _ in range(count):
        await world.delete(owner, await world.upload(owner))
    blobs, _ = await world.cleaning.claim(500, "host/1")
    for blob in blobs:
        await world.cleaning.release(Handle(blob.owner_id, blob.id, blob.epoch), failure=WHY)
    return sorted(str(blob.id) for blob in blobs)


async def due(world: World) -> list[str]:
    """The attempts that the cleaner would claim now."""
    return sorted(str(blob.id) for blob in (await world.cleaning.claim(500))[0])


@pytest.fixture
def world(own_world: World) -> World:
    return own_world.but(read_grace=0.0, retry=600.0)


async def test_a_failure_is_seen_by_reason_and_replica(world: World) -> None:
    ids = await failed(world, "ada", 3)
    await world.attempt("bea")
    found = await operating(world).status()
    backlog = {one.state: (one.count, one.due, one.failing) for one in found.backlog}
    assert backlog == {blob_pb2.BLOB_STATE_PENDING: (1, 0, 0), blob_pb2.BLOB_STATE_DELETING: (3, 0, 3)}
    (failure,) = found.failures
    assert (failure.failure, failure.count, failure.most_tries) == (WHY, 3, 1)
    assert failure.example_id in ids
    assert [one.name for one in found.replicas] == ["host/1"]
    assert found.replicas[0].seen_time.seconds <= found.now.seconds


async def test_lists_page_by_page(world: World) -> None:
    ids = await failed(world, "ada", 2) + await failed(world, "bea")
    await world.attempt("cyd")
    seen: list[str] = []
    request = pb.ListAttemptsRequest(page_size=1)
    while True:
        page = await operating(world).attempts(request)
        seen += [one.id for one in page.attempts]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert sorted(seen) == sorted(ids)
    (one,) = (await operating(world).attempts(pb.ListAttemptsRequest(user_id="bea"))).attempts
    assert (one.owner_id, one.failure, one.tries) == ("bea", WHY, 1)
    everything = await operating(world).attempts(pb.ListAttemptsRequest(all=True))
    assert len(everything.attempts) == 4


@pytest.mark.parametrize(("reset", "tries"), [(True, 1), (False, 2)])
async def test_what_has_failed_is_due_now(world: World, reset: bool, tries: int) -> None:
    chosen, other = await failed(world, "ada", 2)
    assert await due(world) == []
    request = pb.RequeueAttemptsRequest(ids=[chosen], reset_pauses=reset)
    assert list(await operating(world).requeue(request, ACT)) == [chosen]
    assert await due(world) == [chosen]
    rows = world.logins.rows("SELECT attempts FROM blobs WHERE id = %s", chosen)
    assert rows == [(tries,)]
    (act,) = await Acts(world.database).page("", "", 0, 0)
    assert json.loads(act.details_json) == {"attempts": [chosen], "count": 1}
    assert other not in act.details_json


async def test_all_are_those_that_have_failed(world: World) -> None:
    """Attempts that wait for their grace are not retried, least of all tombstones (rule R5)."""
    ids = await failed(world, "ada", 2)
    slow = world.but(read_grace=600.0)
    await slow.delete("bea", await slow.upload("bea"))
    await world.delete("cyd", await world.upload("cyd"))
    for blob in (await world.cleaning.claim(500))[0]:
        await world.cleaning.finish_removal(Handle(blob.owner_id, blob.id, blob.epoch), blob.state)
    done = await operating(world).requeue(pb.RequeueAttemptsRequest(all=True, reset_pauses=True), ACT)
    assert list(done) == ids
    assert await due(world) == ids


async def test_an_upload_under_way_is_given_up(world: World) -> None:
    blob = await world.attempt("ada")
    done = await operating(world).abort(blob.id, Act("abort_attempt", "root"))
    assert (done.owner_id, done.key) == ("ada", blob.key)
    with pytest.raises(UploadSuperseded):
        await world.commit(blob)
    assert world.state(blob) == blob_pb2.BLOB_STATE_ABORTING
    (act,) = await Acts(world.database).page("ada", "abort_attempt", 0, 0)
    assert act.owner_id == "ada"
    with pytest.raises(NotFound):
        await operating(world).abort(blob.id, Act("abort_attempt", "root"))


async def test_files_of_a_save_are_not_given_up_alone(world: World) -> None:
    projects = Projects(world, "ada")
    begun = await projects.begin()
    (blob,) = await projects.reserve(begun.save_id, {"a.txt": b"a"})
    with pytest.raises(NotFound, match="of a save"):
        await operating(world).abort(blob.id, Act("abort_attempt", "root"))
    assert world.state(blob) == blob_pb2.BLOB_STATE_PENDING
