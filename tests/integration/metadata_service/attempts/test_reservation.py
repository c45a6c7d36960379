"""T1 on a real database."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from metadata_service.config import Limits
from metadata_service.files.carried import carried
from strongroom.errors import (
    FileCountExceeded,
    InvalidField,
    PathInvalid,
    PreconditionFailed,
    QuotaExceeded,
)
from strongroom.metadata.v1 import blob_pb2, file_pb2
from strongroom.metadata.v1.reservation_service_pb2 import ReserveRequest
from strongroom.metadata.v1.target_pb2 import FILE_FOLDER_AUDIO, UploadSpec
from tests.integration.metadata_service.world import MULTIPART, SINGLE, World, path_spec, plain_spec


async def test_an_attempt_has_a_key_an_epoch_and_a_lease(world: World, owner: str) -> None:
    blob = await world.attempt(owner, plain_spec(size_bytes=5), kind=MULTIPART, part_size_bytes=8 << 20)
    assert blob.state == blob_pb2.BLOB_STATE_PENDING
    assert (blob.epoch, blob.kind, blob.owner_id, blob.part_size_bytes) == (1, MULTIPART, owner, 8 << 20)
    assert blob.key == f"uploads/{owner}/{blob.id}.txt"
    lease = blob.lease_expire_time.ToMicroseconds() - blob.create_time.ToMicroseconds()
    assert lease == world.timing.lease * 1_000_000


async def test_object_metadata_names_attempt_owner_and_time(world: World, owner: str) -> None:
    wanted = UploadSpec(
        filename="Ärger.MP3", content_type="audio/mpeg", metadata={"mine": "1", "user_id": "x"}
    )
    wanted.target.file.folder = FILE_FOLDER_AUDIO
    wanted.target.file.class_id = "maths/1"
    blob = await world.attempt(owner, wanted)
    stored = dict(blob.object_metadata)
    moment = stored.pop("upload_timestamp")
    spec, left_out = carried({"strongroom-spec-1": stored.pop("strongroom-spec-1")})
    assert spec is not None
    assert (spec.target.file.class_id, spec.metadata["mine"], left_out) == ("maths/1", "1", [])
    assert stored == {
        "strongroom-attempt": blob.id,
        "user_id": owner,
        "original_filename": "Ärger.MP3",
        "content_type": "audio/mpeg",
        "class_id": "maths/1",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", moment)
    assert datetime.fromisoformat(moment) == blob.create_time.ToDatetime(UTC)
    assert blob.key == f"audio/maths=2F1/{blob.id}.mp3"


async def test_a_file_without_a_name_gets_the_last_segment_of_its_key(world: World, owner: str) -> None:
    spec = plain_spec()
    spec.filename = "folder/"
    blob = await world.attempt(owner, spec)
    assert blob.spec.filename == f"{blob.id}.txt" == blob.object_metadata["original_filename"]


async def test_the_kind_is_needed(world: World, owner: str) -> None:
    with pytest.raises(InvalidField) as caught:
        await world.reserving.reserve(owner, ReserveRequest(spec=plain_spec()))
    assert caught.value.field == "kind"


async def test_project_archives_are_saved_elsewhere(world: World, owner: str) -> None:
    spec = UploadSpec(filename="a.zip")
    spec.target.project_archive.slug = "site"
    with pytest.raises(InvalidField, match="SaveProjectArchive"):
        await world.reserve(owner, spec)
    assert world.logins.rows("SELECT 1 FROM blobs WHERE owner_id = %s", owner) == []


async def test_attempts_in_one_microsecond_get_keys_of_their_own(world: World, owner: str) -> None:
    spec = UploadSpec(filename="a.png", content_type="image/png")
    spec.target.temp.SetInParent()
    first = await world.attempt(owner, spec)
    import metadata_service.attempts.reservation as module

    moment = datetime.strptime(first.key, "temp/%Y/%m/%d/%H%M%S_%f.png").replace(tzinfo=UTC)

    async def same(_: object) -> datetime:
        return moment

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_moment", same)
        keys = {(await world.attempt(owner, spec)).key for _ in range(5)}
    assert len(keys) == 5
    assert first.key not in keys
    assert all(re.fullmatch(r"temp/\d{4}/\d\d/\d\d/\d{6}_\d{6}\.png", key) for key in keys)


async def test_attempts_at_one_path_share_their_key(world: World, owner: str) -> None:
    keys = {(await world.attempt(owner, path_spec("docs/è.txt"))).key for _ in range(3)}
    assert keys == {f"paths/{owner}/docs/è.txt"}


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "a/./b", "a\\b", "a\nb", ""])
async def test_paths_that_break_a_rule_are_refused(world: World, owner: str, path: str) -> None:
    with pytest.raises(PathInvalid) as caught:
        await world.reserve(owner, path_spec(path))
    assert caught.value.metadata["rule"]


async def test_nul_is_refused_before_any_byte_is_sent(world: World, owner: str) -> None:
    spec = UploadSpec(filename="a.png", content_type="image/png")
    spec.target.event_media.event_id = "0a1b2c3d-0000-4000-8000-000000000000"
    spec.target.event_media.tags.append("a\0b")
    with pytest.raises(InvalidField) as caught:
        await world.reserve(owner, spec)
    assert caught.value.field == "spec.target.event_media.tags"


async def test_a_generation_match_is_looked_at_early(world: World, owner: str) -> None:
    with pytest.raises(PreconditionFailed) as caught:
        await world.reserve(owner, path_spec(if_generation_match=1))
    assert caught.value.metadata == {"actual": "0"}
    file = await world.upload(owner, path_spec(if_generation_match=0))
    with pytest.raises(PreconditionFailed) as caught:
        await world.reserve(owner, path_spec(if_generation_match=0))
    assert caught.value.metadata == {"actual": str(file.generation)}


async def test_a_plain_upload_never_replaces(world: World, owner: str) -> None:
    await world.attempt(owner, plain_spec(if_generation_match=0))
    with pytest.raises(PreconditionFailed):
        await world.reserve(owner, plain_spec(if_generation_match=3))


async def test_quota_counts_what_is_visible_and_what_is_under_way(world: World, owner: str) -> None:
    world = world.but(limits=Limits(bytes=100))
    await world.upload(owner, plain_spec(size_bytes=40), size=40)
    await world.attempt(owner, plain_spec(size_bytes=40))
    with pytest.raises(QuotaExceeded) as caught:
        await world.reserve(owner, plain_spec(size_bytes=21))
    assert caught.value.metadata == {"limit": "100", "used": "40"}
    await world.attempt(owner, plain_spec(size_bytes=20))
    assert (await world.usage.usage(owner)).reserved_bytes == 60


async def test_the_number_of_files_is_limited_too(world: World, owner: str) -> None:
    world = world.but(limits=Limits(files=2))
    await world.upload(owner, path_spec("one"))
    await world.attempt(owner)
    with pytest.raises(FileCountExceeded):
        await world.reserve(owner)
    replacement = await world.attempt(owner, path_spec("one"))
    assert (await world.commit(replacement)).file.generation == 2


async def test_limits_of_the_owner_go_before_the_default(world: World, owner: str) -> None:
    world = world.but(limits=Limits(bytes=1))
    with pytest.raises(QuotaExceeded):
        await world.reserve(owner, plain_spec(size_bytes=5))
    await world.usage.set_limits(owner, Limits(), actor="root")
    blob = await world.attempt(owner, plain_spec(size_bytes=5))
    assert blob.kind == SINGLE


@pytest.mark.parametrize(
    ("family", "pattern"),
    [
        ("generation", r"{owner}/image-to-video/\d{{4}}-\d\d-\d\d-{id}\.mp4"),
        ("event_media", r"events/{event}/media/\d{{4}}/\d\d/\d\d/\d{{6}}_\d{{6}}\.mp4"),
        ("profile_picture", r"users/{owner}/profile/\d{{4}}/\d\d/\d\d/\d{{6}}_\d{{6}}\.mp4"),
        ("temp", r"temp/\d{{4}}/\d\d/\d\d/\d{{6}}_\d{{6}}\.mp4"),
    ],
)
async def test_each_family_has_its_layout(world: World, owner: str, family: str, pattern: str) -> None:
    event = "0a1b2c3d-0000-4000-8000-000000000000"
    spec = UploadSpec(filename="clip", content_type="video/mp4")
    getattr(spec.target, family).SetInParent()
    if family == "generation":
        spec.target.generation.type = file_pb2.GENERATION_TYPE_IMAGE_TO_VIDEO
    if family == "event_media":
        spec.target.event_media.event_id = event.upper()
    blob = await world.attempt(owner, spec)
    assert re.fullmatch(pattern.format(owner=owner, event=event, id=blob.id), blob.key)
