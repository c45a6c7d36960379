"""An object becomes a file of its owner: once, in its slot, within the quota, or not at all."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from metadata_service.config import Limits
from metadata_service.restoring.adoption import Adopter
from metadata_service.restoring.descriptions import describe
from strongroom.errors import (
    AlreadyExists,
    InvalidField,
    PreconditionFailed,
    QuotaExceeded,
    RequestInProgress,
)
from strongroom.metadata.v1 import blob_pb2, file_pb2
from strongroom.metadata.v1.restoration_pb2 import StoredObject
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.integration.metadata_service.world import CRC, World, handle, path_spec, plain_spec

EVENT = "2f8c4f3e-6a55-4f0e-8f6b-3d6a0a7c9b11"


def adopter(world: World) -> Adopter:
    return Adopter(world.database, world.timing, world.limits)


def as_stored(
    blob: blob_pb2.Blob, *, size: int = 10, version: str = "v1", at: datetime | None = None
) -> StoredObject:
    """An attempt's object in the bucket, whatever the database knows."""
    found = StoredObject(
        key=blob.key,
        version_id=version,
        etag=f"etag-{blob.id}",
        size_bytes=size,
        crc32c=CRC,
        content_type=blob.content_type,
        object_metadata=dict(blob.object_metadata),
    )
    found.store_time.FromDatetime(at or datetime.now(UTC))
    return found


async def forgotten(world: World, owner: str, spec: UploadSpec | None = None) -> StoredObject:
    """An object whose attempt is unknown to the restored database."""
    blob = await world.attempt(owner, spec)
    world.logins.change("DELETE FROM blobs WHERE id = %s", blob.id)
    return as_stored(blob)


def generation_spec() -> UploadSpec:
    spec = UploadSpec(filename="fox.png", content_type="image/png", metadata={"mine": "1"})
    spec.target.generation.type = file_pb2.GENERATION_TYPE_TEXT_TO_IMAGE
    spec.target.generation.prompt = "a fox"
    spec.target.generation.settings_json = '{"seed": 7}'
    return spec


def media_spec() -> UploadSpec:
    spec = UploadSpec(filename="m.png", content_type="image/png")
    spec.target.event_media.event_id = EVENT
    spec.target.event_media.tags.extend(["x"])
    return spec


def temp_spec() -> UploadSpec:
    spec = UploadSpec(filename="t.bin")
    spec.target.temp.ttl.seconds = 60
    return spec


def picture_spec() -> UploadSpec:
    spec = UploadSpec(filename="me.png", content_type="image/png")
    spec.target.profile_picture.SetInParent()
    return spec


@pytest.mark.parametrize(
    "spec", [plain_spec(), path_spec(), generation_spec(), media_spec(), temp_spec(), picture_spec()]
)
async def test_it_is_the_file_that_it_was(world: World, owner: str, spec: UploadSpec) -> None:
    blob = await world.attempt(owner, spec)
    expected = (await world.commit(blob, version_id="v1", etag=f"etag-{blob.id}")).file
    world.logins.change("DELETE FROM files WHERE owner_id = %s", owner)
    world.logins.change("DELETE FROM usage WHERE owner_id = %s", owner)
    world.logins.change("DELETE FROM blobs WHERE owner_id = %s", owner)
    found = as_stored(blob)
    first = await adopter(world).adopt(found)
    again = await adopter(world).adopt(found)
    assert (first.already, again.already) == (False, True)
    kept = await world.queries.by_id(owner, uuid.UUID(first.file.id))
    for changed in ("create_time", "update_time", "expire_time"):
        expected.ClearField(changed)
        kept.ClearField(changed)
    assert kept == expected
    used = await world.usage.usage(owner)
    assert (used.used_bytes, used.file_count) == (10, 1)


async def test_a_place_keeps_its_newer_content(world: World, owner: str) -> None:
    stale = await forgotten(world, owner, path_spec())
    file = await world.upload(owner, path_spec())
    stale.store_time.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    stale.object_metadata["upload_timestamp"] = "2020-01-01T00:00:00.000000Z"
    with pytest.raises(AlreadyExists):
        await adopter(world).adopt(stale)
    assert (await world.queries.by_id(owner, uuid.UUID(file.id))).generation == 1


async def test_a_place_takes_what_is_newer(world: World, owner: str) -> None:
    file = await world.upload(owner, path_spec())
    newer = await forgotten(world, owner, path_spec())
    adopted = await adopter(world).adopt(newer)
    assert (adopted.file.id, adopted.file.generation, adopted.file.version_id) == (file.id, 2, "v1")
    used = await world.usage.usage(owner)
    assert (used.used_bytes, used.file_count) == (10, 1)
    waiting = "SELECT count(*) FROM blobs WHERE owner_id = %s AND state = 4"
    assert world.logins.rows(waiting, owner) == [(1,)]


async def test_a_full_quota_refuses(world: World, owner: str) -> None:
    found = await forgotten(world, owner)
    with pytest.raises(QuotaExceeded):
        await adopter(world.but(limits=Limits(bytes=9))).adopt(found)
    assert world.logins.rows("SELECT count(*) FROM blobs WHERE owner_id = %s", owner) == [(0,)]


async def test_what_was_under_way_is_kept_once_its_writer_is_dead(world: World, owner: str) -> None:
    blob = await world.attempt(owner, plain_spec("request-1"))
    with pytest.raises(RequestInProgress):
        await adopter(world).adopt(as_stored(blob))
    world.run_out(blob)
    adopted = await adopter(world).adopt(as_stored(blob))
    replay = await world.reserve(owner, plain_spec("request-1"))
    assert replay.replay.id == adopted.file.id
    assert (await world.usage.usage(owner)).reserved_bytes == 0


async def test_a_request_that_was_repeated_since_is_not_answered_twice(world: World, owner: str) -> None:
    blob = await world.attempt(owner, plain_spec("request-2"))
    world.run_out(blob)
    await world.commit(await world.attempt(owner, plain_spec("request-2")))
    with pytest.raises((AlreadyExists, PreconditionFailed)):
        await adopter(world).adopt(as_stored(blob))


@pytest.mark.parametrize("ended", ["deleted", "abandoned"])
async def test_what_the_restored_state_has_ended_stays_so(world: World, owner: str, ended: str) -> None:
    blob = await world.attempt(owner)
    if ended == "deleted":
        await world.delete(owner, (await world.commit(blob)).file)
    else:
        await world.attempts.abandon(handle(blob))
    with pytest.raises(PreconditionFailed):
        await adopter(world).adopt(as_stored(blob))


async def test_a_temporary_file_whose_time_is_over_is_not_kept(world: World, owner: str) -> None:
    found = await forgotten(world, owner, temp_spec())
    found.store_time.FromDatetime(datetime.now(UTC) - timedelta(minutes=2))
    found.object_metadata["upload_timestamp"] = ""
    with pytest.raises(PreconditionFailed):
        await adopter(world).adopt(found)


@pytest.mark.parametrize(
    ("key", "family"),
    [
        ("uploads/ada/{id}.bin", file_pb2.FILE_FAMILY_FILE),
        ("audio/maths=2F1/{id}.mp3", file_pb2.FILE_FAMILY_FILE),
        ("ada/text-to-video/2026-01-01-{id}.mp4", file_pb2.FILE_FAMILY_GENERATION),
        (f"events/{EVENT}/media/2026/01/01/101112_123456.png", file_pb2.FILE_FAMILY_EVENT_MEDIA),
        ("users/ada/profile/2026/01/01/101112_123456.png", file_pb2.FILE_FAMILY_PROFILE_PICTURE),
        ("paths/ada/x/y.txt", file_pb2.FILE_FAMILY_PATH),
    ],
)
async def test_objects_from_before_they_carried_their_spec(
    world: World, key: str, family: file_pb2.FileFamily.ValueType
) -> None:
    attempt = str(uuid.uuid4())
    found = StoredObject(
        key=key.format(id=attempt),
        version_id="v1",
        size_bytes=3,
        content_type="image/png",
        object_metadata={"strongroom-attempt": attempt, "user_id": "ada", "original_filename": "ä.bin"},
    )
    found.store_time.GetCurrentTime()
    said = describe(found)
    assert (said.owner_id, said.family, said.filename, list(said.left_out)) == (
        "ada",
        family,
        "ä.bin",
        ["spec"],
    )
    assert (await adopter(world).adopt(found)).file.filename == "ä.bin"


@pytest.mark.parametrize(
    ("key", "metadata"),
    [
        ("uploads/ada/x.bin", {}),
        ("uploads/ada/x.bin", {"strongroom-attempt": "no uuid", "user_id": "ada"}),
        ("uploads/ada/x.bin", {"strongroom-attempt": str(uuid.uuid4())}),
        ("uploads/bob/x.bin", {"strongroom-attempt": str(uuid.uuid4()), "user_id": "ada"}),
        ("elsewhere/ada/x.bin", {"strongroom-attempt": str(uuid.uuid4()), "user_id": "ada"}),
        ("events/no-uuid/media/x.bin", {"strongroom-attempt": str(uuid.uuid4()), "user_id": "ada"}),
    ],
)
async def test_what_does_not_say_what_it_is_is_refused(
    world: World, key: str, metadata: dict[str, str]
) -> None:
    found = StoredObject(key=key, size_bytes=1, object_metadata=metadata)
    assert list(describe(found).left_out) == ["spec"]
    with pytest.raises(InvalidField):
        await adopter(world).adopt(found)
