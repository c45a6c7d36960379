"""T2, leases, T3, T4 and giving up: each a compare-and-set that may be repeated."""

from __future__ import annotations

from datetime import UTC

import pytest

from metadata_service.blobs.rows import Handle
from metadata_service.config import Limits
from strongroom.errors import (
    ChecksumMismatch,
    InvalidField,
    PreconditionFailed,
    QuotaExceeded,
    SizeMismatch,
    UploadSuperseded,
)
from strongroom.metadata.v1 import blob_pb2, file_pb2
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.integration.metadata_service.world import (
    CRC,
    MULTIPART,
    World,
    handle,
    path_spec,
    plain_spec,
)

PENDING, COMPLETING, COMMITTED, DELETING, ABORTING, GONE = range(1, 7)


def other_epoch(blob: blob_pb2.Blob) -> Handle:
    held = handle(blob)
    return Handle(held.owner_id, held.blob_id, held.epoch + 1)


async def test_t2_records_the_upload_and_may_be_repeated(world: World, owner: str) -> None:
    blob = await world.attempt(owner, kind=MULTIPART)
    for _ in range(2):
        await world.attempts.record_multipart(handle(blob), "mpu-1")
    with pytest.raises(UploadSuperseded):
        await world.attempts.record_multipart(handle(blob), "mpu-2")
    await world.begin_completion(blob)
    await world.attempts.record_multipart(handle(blob), "mpu-1")
    with pytest.raises(UploadSuperseded):
        await world.attempts.record_multipart(other_epoch(blob), "mpu-1")


async def test_a_body_that_outgrows_one_part_becomes_multipart(world: World, owner: str) -> None:
    blob = await world.attempt(owner)
    await world.attempts.record_multipart(handle(blob), "mpu-1")
    with pytest.raises(InvalidField, match="completion"):
        await world.commit(blob)
    await world.begin_completion(blob)
    assert (await world.commit(blob)).file.size_bytes == 10


async def test_leases_are_counted_on_the_databases_clock(world: World, owner: str) -> None:
    blob = await world.attempt(owner)
    world.run_out(blob)
    assert await world.attempts.renew_lease(handle(blob)) == world.timing.lease
    ((left,),) = world.logins.rows(
        "SELECT extract(epoch FROM lease_expires_at - now()) FROM blobs WHERE id = %s", blob.id
    )
    assert world.timing.lease - 30 < float(left) <= world.timing.lease


@pytest.mark.parametrize("ended", ["abandoned", "other epoch", "unknown"])
async def test_only_the_attempts_own_writer_renews(world: World, owner: str, ended: str) -> None:
    blob = await world.attempt(owner)
    held = handle(blob)
    if ended == "abandoned":
        await world.attempts.abandon(held)
    elif ended == "other epoch":
        held = other_epoch(blob)
    else:
        held = Handle(f"{owner}-2", held.blob_id, held.epoch)
    with pytest.raises(UploadSuperseded):
        await world.attempts.renew_lease(held)


async def test_t3_keeps_parts_size_and_checksum(world: World, owner: str) -> None:
    blob = await world.completing(owner, plain_spec(), size=20)
    await world.begin_completion(blob, 20)  # repeated
    world.run_out(blob)
    claimed, _ = await world.cleaning.claim(500)
    (seen,) = [row.to_proto() for row in claimed if str(row.id) == blob.id]
    assert seen.state == COMPLETING
    assert seen.epoch == blob.epoch + 1
    assert [(part.number, part.size_bytes) for part in seen.parts] == [(1, 8), (2, 8), (3, 4)]
    assert (seen.size_bytes, seen.crc32c, seen.upload_id) == (20, CRC, "mpu-1")
    assert seen.spec.target == blob.spec.target


async def test_t3_with_other_content_is_refused(world: World, owner: str) -> None:
    blob = await world.completing(owner)
    with pytest.raises(UploadSuperseded):
        await world.begin_completion(blob, 11)
    with pytest.raises(ChecksumMismatch):
        await world.commit(blob, crc32c=1)


async def test_t3_is_refused_where_there_is_nothing_to_complete(world: World, owner: str) -> None:
    blob = await world.attempt(owner)
    with pytest.raises(UploadSuperseded):
        await world.begin_completion(blob)
    assert world.state(blob) == PENDING


async def test_t3_is_not_repeated_by_who_was_given_up(world: World, owner: str) -> None:
    blob = await world.completing(owner)
    await world.begin_completion(blob)
    await world.attempts.abandon(handle(blob))
    with pytest.raises(UploadSuperseded):
        await world.begin_completion(blob)


async def test_t3_checks_the_parts_against_the_size(world: World, owner: str) -> None:
    from strongroom.metadata.v1.reservation_service_pb2 import BeginCompletionRequest

    blob = await world.attempt(owner, kind=MULTIPART)
    request = BeginCompletionRequest(
        size_bytes=10, parts=[blob_pb2.Part(number=1, etag="e", size_bytes=9, crc32c=1)]
    )
    with pytest.raises(SizeMismatch):
        await world.attempts.begin_completion(handle(blob), request)
    assert world.state(blob) == PENDING


async def test_a_size_that_was_not_declared_is_held_to_the_quota_at_t3(world: World, owner: str) -> None:
    world = world.but(limits=Limits(bytes=15))
    await world.completing(owner, size=10)
    second = await world.attempt(owner, kind=MULTIPART)
    with pytest.raises(QuotaExceeded):
        await world.begin_completion(second, 6)
    assert world.state(second) == PENDING


async def test_a_small_body_of_unknown_size_is_held_to_the_quota_at_t4(world: World, owner: str) -> None:
    world = world.but(limits=Limits(bytes=15))
    await world.upload(owner, size=10)
    second = await world.attempt(owner)
    with pytest.raises(QuotaExceeded):
        await world.commit(second, 6)
    assert world.state(second) == ABORTING
    assert (await world.usage.usage(owner)).used_bytes == 10


async def test_t4_makes_the_file_visible(world: World, owner: str) -> None:
    spec = plain_spec("r1", metadata={"mine": "x", "user_id": "forged"}, size_bytes=10)
    blob = await world.attempt(owner, spec)
    assert world.logins.rows("SELECT 1 FROM files WHERE owner_id = %s", owner) == []
    file = (await world.commit(blob, version_id="v1")).file
    assert (file.owner_id, file.key, file.filename, file.size_bytes) == (owner, blob.key, "notes.txt", 10)
    assert (file.generation, file.etag, file.version_id, file.crc32c) == (1, f"etag-{blob.id}", "v1", CRC)
    assert file.visibility == file_pb2.VISIBILITY_PRIVATE
    assert dict(file.metadata) == {
        "mine": "x",
        "user_id": owner,
        "original_filename": "notes.txt",
        "content_type": "text/plain",
        "upload_timestamp": blob.object_metadata["upload_timestamp"],
    }
    assert file.create_time == file.update_time
    from uuid import UUID

    assert await world.queries.by_id(owner, UUID(file.id)) == file
    assert world.state(blob) == COMMITTED


async def test_t4_repeated_answers_the_same_file(world: World, owner: str) -> None:
    for spec in (plain_spec(), plain_spec("r1")):
        blob = await world.attempt(owner, spec)
        assert await world.commit(blob) == await world.commit(blob)
    usage = await world.usage.usage(owner)
    assert (usage.file_count, usage.used_bytes) == (2, 20)


async def test_t4_repeated_after_a_replacement_answers_what_it_made(world: World, owner: str) -> None:
    first = await world.attempt(owner, path_spec())
    made = (await world.commit(first, version_id="v1")).file
    await world.upload(owner, path_spec())
    again = (await world.commit(first, version_id="v1")).file
    assert (again.id, again.generation, again.version_id) == (made.id, 1, "v1")
    assert (again.size_bytes, again.etag) == (made.size_bytes, made.etag)


@pytest.mark.parametrize("state", ["abandoned", "other epoch", "purged"])
async def test_t4_of_an_attempt_that_is_not_ones_own_is_refused(world: World, owner: str, state: str) -> None:
    blob = await world.attempt(owner)
    if state == "abandoned":
        await world.attempts.abandon(handle(blob))
    elif state == "other epoch":
        blob.epoch += 1
    else:
        world.logins.change("DELETE FROM blobs WHERE id = %s", blob.id)
    with pytest.raises(UploadSuperseded):
        await world.commit(blob)
    assert world.logins.rows("SELECT 1 FROM files WHERE owner_id = %s", owner) == []


async def test_a_declared_size_is_a_promise(world: World, owner: str) -> None:
    blob = await world.attempt(owner, plain_spec(size_bytes=11))
    with pytest.raises(SizeMismatch):
        await world.commit(blob, 10)
    assert world.state(blob) == ABORTING


async def test_a_precondition_that_fails_at_t4_ends_the_attempt(world: World, owner: str) -> None:
    blob = await world.completing(owner, path_spec(if_generation_match=0))
    await world.upload(owner, path_spec())
    with pytest.raises(PreconditionFailed) as caught:
        await world.commit(blob)
    assert caught.value.metadata == {"actual": "1"}
    assert world.state(blob) == ABORTING


async def test_abandon_may_be_repeated_but_not_after_the_commit(world: World, owner: str) -> None:
    blob = await world.attempt(owner, plain_spec(size_bytes=10))
    for _ in range(2):
        await world.attempts.abandon(handle(blob))
    assert (await world.usage.usage(owner)).reserved_bytes == 0
    committed = await world.attempt(owner)
    await world.commit(committed)
    with pytest.raises(UploadSuperseded):
        await world.attempts.abandon(handle(committed))
    assert world.state(committed) == COMMITTED


async def test_a_completing_attempt_can_be_given_up_too(world: World, owner: str) -> None:
    blob = await world.completing(owner)
    await world.attempts.abandon(handle(blob))
    assert world.state(blob) == ABORTING


async def test_temporary_files_know_when_they_end(world: World, owner: str) -> None:
    spec = UploadSpec(filename="a.txt", content_type="text/plain")
    spec.target.temp.ttl.seconds = 90
    file = await world.upload(owner, spec)
    assert (file.expire_time.ToDatetime(UTC) - file.create_time.ToDatetime(UTC)).total_seconds() == 90
    spec.target.temp.ClearField("ttl")
    spec.target.temp.SetInParent()
    file = await world.upload(owner, spec)
    assert file.expire_time.seconds - file.create_time.seconds == 24 * 3600


async def test_details_of_generations_and_event_media_come_back_exactly(world: World, owner: str) -> None:
    from uuid import UUID

    generation = UploadSpec(filename="a.png", content_type="image/png")
    generation.target.generation.type = file_pb2.GENERATION_TYPE_TEXT_TO_IMAGE
    generation.target.generation.prompt = 'a "cat"\n🐈'
    generation.target.generation.settings_json = '{ "seed" : 9007199254740993e3, "b":\t[1,2] }'
    media = UploadSpec(filename="b.png", content_type="image/png")
    media.target.event_media.event_id = "0A1B2C3D-0000-4000-8000-000000000000"
    media.target.event_media.title = "Fête"
    media.target.event_media.tags.extend(["z", "a", "z", "{,}"])
    for spec in (generation, media):
        file = await world.upload(owner, spec)
        assert await world.queries.by_id(owner, UUID(file.id)) == file
        if spec is generation:
            assert file.generation_details.settings_json == generation.target.generation.settings_json
            assert file.generation_details.prompt == generation.target.generation.prompt
        else:
            assert list(file.event_media_details.tags) == ["z", "a", "{,}"]
            assert file.event_media_details.event_id == "0a1b2c3d-0000-4000-8000-000000000000"
        await world.delete(owner, file)
    for table in ("generations", "event_media"):
        assert world.logins.rows(f"SELECT 1 FROM {table} WHERE owner_id = %s", owner) == []


async def test_each_commit_tells_of_itself(world: World, owner: str) -> None:
    file = await world.upload(owner, path_spec())
    await world.upload(owner, path_spec())
    await world.delete(owner, file)
    told = world.logins.rows(
        "SELECT type, subject_id, payload ->> 'generation' FROM events WHERE owner_id = %s ORDER BY xid, id",
        owner,
    )
    assert told == [(2, file.id, "1"), (2, file.id, "2"), (3, file.id, "2")]
