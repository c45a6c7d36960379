"""Limits of drops: checked in T1, counted in T4."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any
from uuid import UUID

import pytest

from metadata_service.blobs.states import ABORTING
from metadata_service.config import Limits
from strongroom.errors import (
    ContentTypeNotAllowed,
    DropFull,
    QuotaExceeded,
    ShareEnded,
    ShareNotFound,
    SizeLimitExceeded,
)
from strongroom.metadata.v1 import share_pb2 as pb
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec
from tests.integration.metadata_service.shares.conftest import EVENT, Sharing
from tests.integration.metadata_service.world import plain_spec


async def drop(sharing: Sharing, owner: str, **rules: Any) -> str:
    """Create a drop. Returns its id."""
    scope = pb.ShareScope(drop=pb.Drop(folder=FileTarget(), **rules))
    return (await sharing.make(owner, scope)).share.id


def through(share_id: str, kind: str = "image/png") -> UploadSpec:
    spec = plain_spec()
    spec.share_id = share_id
    spec.content_type = kind
    return spec


async def counted(sharing: Sharing, owner: str, share_id: str) -> tuple[int, int]:
    share = await sharing.owners.get(owner, UUID(share_id))
    return share.dropped_files, share.dropped_bytes


async def test_what_is_committed_is_counted(sharing: Sharing, ada: str) -> None:
    share = await drop(sharing, ada)
    blob = await sharing.world.attempt(ada, through(share))
    assert await counted(sharing, ada, share) == (0, 0)
    await sharing.world.commit(blob, 10)
    await sharing.world.commit(blob, 10)  # repeated
    assert await counted(sharing, ada, share) == (1, 10)
    large = await sharing.world.completing(ada, through(share), size=20)
    await sharing.world.commit(large, 20)
    assert await counted(sharing, ada, share) == (2, 30)


async def test_many_at_once_don_t_pass_the_bounds(sharing: Sharing, ada: str) -> None:
    share = await drop(sharing, ada, max_files=3, max_bytes=1000)
    blobs = [await sharing.world.attempt(ada, through(share)) for _ in range(8)]
    results = await asyncio.gather(*(sharing.world.commit(blob) for blob in blobs), return_exceptions=True)
    assert [type(result) for result in results if isinstance(result, BaseException)] == [DropFull] * 5
    assert await counted(sharing, ada, share) == (3, 30)
    assert sum(sharing.world.state(blob) == ABORTING for blob in blobs) == 5  # given up, not tried for ever
    with pytest.raises(DropFull) as refused:
        await sharing.world.attempt(ada, through(share))
    assert refused.value.metadata == {"rule": "files"}


async def test_bytes_and_sizes(sharing: Sharing, ada: str) -> None:
    share = await drop(sharing, ada, max_bytes=25, max_file_bytes=12)
    await sharing.world.upload(ada, through(share), 10)
    with pytest.raises(SizeLimitExceeded):
        await sharing.world.upload(ada, through(share), 13)
    await sharing.world.upload(ada, through(share), 12)
    with pytest.raises(DropFull) as refused:
        await sharing.world.upload(ada, through(share), 4)
    assert refused.value.metadata == {"rule": "bytes"}
    assert await counted(sharing, ada, share) == (2, 22)


async def test_a_revocation_stops_what_is_on_its_way(sharing: Sharing, ada: str) -> None:
    share = await drop(sharing, ada)
    blob = await sharing.world.attempt(ada, through(share))
    await sharing.owners.revoke(ada, UUID(share))
    with pytest.raises(ShareEnded):
        await sharing.world.commit(blob)
    assert sharing.world.state(blob) == ABORTING
    with pytest.raises(ShareEnded):
        await sharing.world.attempt(ada, through(share))
    assert await counted(sharing, ada, share) == (0, 0)


async def test_its_end_stops_it_as_well(sharing: Sharing, ada: str) -> None:
    share = await drop(sharing, ada)
    blob = await sharing.world.attempt(ada, through(share))
    sharing.world.logins.rows(
        "UPDATE shares SET expires_at = now() - interval '1 s' WHERE id = %s RETURNING id", share
    )
    with pytest.raises(ShareEnded):
        await sharing.world.commit(blob)


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        ("image/png", True),
        ("IMAGE/PNG", True),
        ("image/svg+xml", True),
        ("application/pdf", True),
        ("text/plain; charset=utf-8", False),
        ("application/pdfx", False),
        ("imagex/png", False),
    ],
)
async def test_types(sharing: Sharing, ada: str, kind: str, taken: bool) -> None:
    share = await drop(sharing, ada, content_types=["image/*", "application/pdf"])
    if taken:
        await sharing.world.attempt(ada, through(share, kind))
        return
    with pytest.raises(ContentTypeNotAllowed):
        await sharing.world.attempt(ada, through(share, kind))


async def test_only_drops_of_ones_own(sharing: Sharing, ada: str, bob: str) -> None:
    share = await drop(sharing, ada)
    reading = (await sharing.make(bob, pb.ShareScope(event_id=EVENT))).share.id
    for wrong in (share, reading, str(uuid.uuid4())):
        with pytest.raises(ShareNotFound):
            await sharing.world.attempt(bob, through(wrong))
    assert await counted(sharing, ada, share) == (0, 0)


async def test_the_owner_s_quota_holds(sharing: Sharing, ada: str) -> None:
    share = await drop(sharing, ada)
    small = sharing.world.but(limits=Limits(bytes=15))
    await small.upload(ada, through(share), 10)
    with pytest.raises(QuotaExceeded):
        await small.upload(ada, through(share), 10)
    assert await counted(sharing, ada, share) == (1, 10)
