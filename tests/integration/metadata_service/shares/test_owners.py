"""Shares as their owners create, see and change them."""

from __future__ import annotations

import uuid
from datetime import UTC
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from metadata_service.shares import owners
from metadata_service.shares.owners import ShareEdit
from strongroom.errors import (
    FileNotFound,
    IdempotencyKeyReused,
    InvalidField,
    InvalidPageToken,
    PathInvalid,
    ProjectNotFound,
    ShareNotFound,
)
from strongroom.metadata.v1 import share_pb2 as pb
from tests.integration.metadata_service.shares.conftest import Sharing


async def test_only_a_hash_is_kept(sharing: Sharing, ada: str) -> None:
    made = await sharing.make(ada, password="open sesame")
    assert made.url == f"/s/{made.token}"
    assert len(made.token) == 27
    row = sharing.world.logins.rows("SELECT shares::text FROM shares WHERE id = %s", made.share.id)[0][0]
    assert made.token not in row
    assert "open sesame" not in row
    assert "$argon2id$" in row


async def test_no_two_tokens_are_alike(sharing: Sharing, ada: str) -> None:
    assert len({(await sharing.make(ada)).token for _ in range(20)}) == 20


async def test_a_repeat_gets_the_same_answer(sharing: Sharing, ada: str, bob: str) -> None:
    first = await sharing.make(ada, request_id="one", password="p", expires_in_seconds=60)
    assert await sharing.make(ada, request_id="one", password="p", expires_in_seconds=60) == first
    assert (await sharing.make(bob, request_id="one", password="p", expires_in_seconds=60)) != first
    assert (await sharing.make(ada, request_id="two", password="p")).share.id != first.share.id


@pytest.mark.parametrize("other", [{"password": "q"}, {"title": "t"}, {"max_uses": 1}, {}])
async def test_a_key_is_for_one_request(sharing: Sharing, other: dict[str, Any], ada: str) -> None:
    await sharing.make(ada, request_id="one", password="p")
    with pytest.raises(IdempotencyKeyReused):
        await sharing.make(ada, request_id="one", **other)


async def test_a_key_is_forgotten_after_a_day(sharing: Sharing, ada: str) -> None:
    first = await sharing.make(ada, request_id="one")
    sharing.world.logins.rows(
        "UPDATE shares SET created_at = now() - interval '25 hours' WHERE id = %s RETURNING id",
        first.share.id,
    )
    assert (await sharing.make(ada, request_id="one", title="other")).share.id != first.share.id
    assert (await sharing.owners.get(ada, UUID(first.share.id))).state == pb.SHARE_STATE_ACTIVE


async def test_nobody_shares_what_they_do_not_have(sharing: Sharing, ada: str, bob: str) -> None:
    file = await sharing.world.upload(ada)
    assert (await sharing.make(ada, pb.ShareScope(file_id=file.id))).share.scope.file_id == file.id
    with pytest.raises(FileNotFound):
        await sharing.make(bob, pb.ShareScope(file_id=file.id))
    with pytest.raises(ProjectNotFound):
        await sharing.make(ada, pb.ShareScope(project=pb.SharedVersion(slug="none")))


@pytest.mark.parametrize("path", ["../up", "/root", "a//b", "a/./b", "a\\b/../c"])
async def test_a_drop_stays_where_paths_may_be(sharing: Sharing, path: str, ada: str) -> None:
    with pytest.raises(PathInvalid):
        await sharing.make(ada, pb.ShareScope(drop=pb.Drop(path=path)))


async def test_a_drop_has_bounds_without_being_told(sharing: Sharing, ada: str) -> None:
    drop = (await sharing.make(ada, pb.ShareScope(drop=pb.Drop(path="in")))).share.scope.drop
    assert (drop.max_files, drop.max_bytes, drop.max_file_bytes) == (100, 1 << 30, 1 << 30)


async def test_an_end_lies_ahead(sharing: Sharing, ada: str) -> None:
    with pytest.raises(InvalidField, match="future"):
        await sharing.make(ada, expire_time=Timestamp(seconds=1))
    with pytest.raises(InvalidField, match="one of them"):
        await sharing.make(ada, expire_time=Timestamp(seconds=4_000_000_000), expires_in_seconds=5)
    made = await sharing.make(ada)
    past = made.share.create_time.ToDatetime(UTC)
    with pytest.raises(InvalidField, match="future"):
        await sharing.owners.update(ShareEdit(ada, UUID(made.share.id), new_end=True, expires_at=past))


async def test_it_is_its_owners_alone(sharing: Sharing, ada: str, bob: str) -> None:
    share_id = UUID((await sharing.make(ada)).share.id)
    for attempt in (
        sharing.owners.get(bob, share_id),
        sharing.owners.update(ShareEdit(bob, share_id, title="stolen")),
        sharing.owners.revoke(bob, share_id),
        sharing.owners.get(ada, uuid.uuid4()),
    ):
        with pytest.raises(ShareNotFound):
            await attempt
    assert (await sharing.owners.page(bob, 0, "", active_only=False))[0] == []


async def test_pages_are_newest_first(sharing: Sharing, ada: str, bob: str) -> None:
    made = [(await sharing.make(ada)).share.id for _ in range(5)]
    await sharing.owners.revoke(ada, UUID(made[1]))
    found, token = [], ""
    while True:
        page, token = await sharing.owners.page(ada, 2, token, active_only=False)
        found += [share.id for share in page]
        if not token:
            break
    assert found == made[::-1]
    active, token = await sharing.owners.page(ada, 3, "", active_only=True)
    assert [share.id for share in active] == [made[4], made[3], made[2]]
    with pytest.raises(InvalidPageToken):
        await sharing.owners.page(ada, 3, token, active_only=False)
    with pytest.raises(InvalidPageToken):
        await sharing.owners.page(bob, 3, token, active_only=True)


async def test_revoked_is_for_good(sharing: Sharing, ada: str) -> None:
    share_id = UUID((await sharing.make(ada)).share.id)
    first = await sharing.owners.revoke(ada, share_id)
    assert first.state == pb.SHARE_STATE_REVOKED
    assert await sharing.owners.revoke(ada, share_id) == first
    with pytest.raises(ShareNotFound):
        await sharing.owners.update(ShareEdit(ada, share_id, new_end=True))


async def test_ended_shares_are_forgotten_after_30_days(sharing: Sharing, ada: str) -> None:
    made = [UUID((await sharing.make(ada)).share.id) for _ in range(4)]
    for share_id, column, days in (
        (made[0], "revoked_at", 31),
        (made[1], "expires_at", 31),
        (made[2], "revoked_at", 29),
    ):
        sharing.world.logins.rows(
            f"UPDATE shares SET {column} = now() - make_interval(days => %s) WHERE id = %s RETURNING id",
            days,
            share_id,
        )
    assert await owners.forget_ended(sharing.world.database, sharing.world.timing) >= 2
    page, _ = await sharing.owners.page(ada, 0, "", active_only=False)
    assert [UUID(share.id) for share in page] == [made[3], made[2]]
