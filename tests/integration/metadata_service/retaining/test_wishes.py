"""Retention requested by uploads and saves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from metadata_service.projects.commit import SaveCommitter
from metadata_service.projects.start import SaveStarter
from strongroom.errors import IdempotencyKeyReused, InvalidField, RetentionHeld
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.project_save_service_pb2 import BeginSaveRequest, CommitSaveRequest
from strongroom.metadata.v1.reservation_service_pb2 import ReserveRequest
from strongroom.metadata.v1.retention_pb2 import RetentionWish
from strongroom.metadata.v1.target_pb2 import UploadSpec
from tests.integration.metadata_service.world import SINGLE, World, fingerprint, path_spec, plain_spec

DAY = Duration(seconds=86400)


def at(days: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(datetime.now(UTC) + timedelta(days=days))
    return stamp


async def reserved(world: World, owner: str, spec: UploadSpec, asking: str = "") -> Any:
    request = ReserveRequest(spec=spec, kind=SINGLE, fingerprint=fingerprint(spec))
    return await world.reserving.reserve(owner, request, asking=asking)


async def stored(world: World, owner: str, spec: UploadSpec, asking: str = "") -> File:
    return (await world.commit((await reserved(world, owner, spec, asking)).blob)).file


def acts(world: World, actor: str) -> list[tuple[Any, ...]]:
    return world.logins.rows(
        "SELECT act, details::jsonb ->> 'by' FROM admin_acts WHERE actor = %s ORDER BY id", actor
    )


@pytest.mark.parametrize("spec_of", [plain_spec, path_spec])
@pytest.mark.parametrize("asked", ["", "an admin"])
async def test_a_hold_comes_with_the_upload(world: World, owner: str, spec_of: Any, asked: str) -> None:
    actor = f"{asked} of {owner}" if asked else owner
    file = await stored(world, owner, spec_of(retention=RetentionWish(hold_reason="case 7")), actor)
    assert (file.retention.hold.reason, file.retention.hold.by_admin) == ("case 7", bool(asked))
    with pytest.raises(RetentionHeld, match="case 7"):
        await world.delete(owner, file)
    assert acts(world, actor) == [("place_hold", "admin" if asked else "owner")]


async def test_whatever_is_kept_longer_and_goes_earlier_holds(world: World, owner: str) -> None:
    wish = RetentionWish(keep_until_time=at(3), keep_for=DAY, delete_after_time=at(9), delete_after=DAY)
    retention = (await stored(world, owner, plain_spec(retention=wish))).retention
    assert retention.keep_until_time == wish.keep_until_time
    gone = retention.delete_after_time.ToDatetime(UTC) - datetime.now(UTC)
    assert timedelta(hours=23) < gone <= timedelta(days=1)


async def test_the_next_content_of_a_path_has_its_own(world: World, owner: str) -> None:
    first = await stored(world, owner, path_spec(retention=RetentionWish(delete_after=DAY)))
    again = await stored(world, owner, path_spec(retention=RetentionWish(hold_reason="now")))
    assert again.id == first.id
    assert not again.retention.HasField("delete_after_time")
    with pytest.raises(RetentionHeld):
        await stored(world, owner, path_spec())


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (RetentionWish(keep_until_time=at(-1)), "keep_until"),
        (RetentionWish(keep_until_time=at(40_000)), "keep_until"),
        (RetentionWish(delete_after_time=at(-0.001)), "delete_after"),
        (RetentionWish(delete_after_time=at(40_000)), "delete_after"),
        (RetentionWish(hold_reason="a\0b"), "spec.retention.hold_reason"),
    ],
)
async def test_wishes_that_can_not_be(world: World, owner: str, wish: RetentionWish, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        await reserved(world, owner, plain_spec(retention=wish))
    assert refused.value.metadata["field"].startswith(field)
    temporary = UploadSpec(retention=RetentionWish(keep_for=DAY))
    temporary.target.temp.SetInParent()
    with pytest.raises(InvalidField, match="Temporary files"):
        await reserved(world, owner, temporary)


async def test_another_wish_is_another_request(world: World, owner: str) -> None:
    key = f"key-{owner}"
    file = await stored(world, owner, plain_spec(key, retention=RetentionWish(keep_for=DAY)))
    again = await reserved(world, owner, plain_spec(key, retention=RetentionWish(keep_for=DAY)))
    assert again.replay.id == file.id
    for other in (RetentionWish(hold_reason="x"), RetentionWish(keep_for=Duration(seconds=1)), None):
        with pytest.raises(IdempotencyKeyReused):
            await reserved(world, owner, plain_spec(key, retention=other))


async def test_a_save_keeps_and_holds_its_project(world: World, owner: str) -> None:
    async def save(wish: RetentionWish | None, asking: str = "") -> Any:
        request = BeginSaveRequest(slug="shop", retention=wish)
        begun = await SaveStarter(world.database, world.timing).begin(owner, request, asking=asking)
        commit = CommitSaveRequest(save_id=begun.save_id, owner_id=owner)
        return (await SaveCommitter(world.database, world.timing).commit(commit)).project.retention

    kept = await save(RetentionWish(keep_until_time=at(5), hold_reason="case 7"), "root")
    assert (kept.hold.reason, kept.hold.by_admin) == ("case 7", True)
    again = await save(RetentionWish(keep_for=DAY, hold_reason="another"))
    assert again == kept
    assert await save(None) == kept
    for wrong in (RetentionWish(delete_after=DAY), RetentionWish(keep_until_time=at(-1))):
        with pytest.raises(InvalidField):
            await save(wrong)
