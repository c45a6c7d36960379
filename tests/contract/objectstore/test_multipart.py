from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from storage_service.objectstore import checksums
from storage_service.objectstore.errors import (
    ChecksumMismatch,
    InvalidPart,
    ObjectNotFound,
    PreconditionFailed,
    UploadNotFound,
)
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef, PartReceipt
from tests.contract.objectstore.backends import PART, having
from tests.contract.objectstore.bodies import ATTRS, put, put_in_parts, random_body, read, send_part


async def test_parts_become_one_object(store: ObjectStore, prefix: str) -> None:
    bodies = [random_body(PART), random_body(PART), b"the tail"]
    done = await put_in_parts(store, prefix + "x", bodies)
    info = await store.head(ObjectRef(prefix + "x"))
    assert (info.size, info.etag) == (2 * PART + 8, done.etag)
    assert done.etag.endswith("-3")
    assert info.parts_count == 3
    assert info.content_type == ATTRS.content_type
    assert info.metadata == ATTRS.metadata
    assert await read(store, prefix + "x") == b"".join(bodies)
    assert await read(store, prefix + "x", offset=PART - 2, length=4) == bodies[0][-2:] + bodies[1][:2]
    assert await store.list_uploads(prefix) == []


async def test_parts_in_any_order_and_again(store: ObjectStore, prefix: str) -> None:
    first, second = random_body(PART), b"second"
    upload_id = await store.create(prefix + "x", ATTRS)
    late = await send_part(store, prefix + "x", upload_id, 2, second)
    await send_part(store, prefix + "x", upload_id, 1, random_body(PART))
    early = await send_part(store, prefix + "x", upload_id, 1, first)
    again = await send_part(store, prefix + "x", upload_id, 1, first)
    assert early == again
    await store.complete(prefix + "x", upload_id, [early, late])
    assert await read(store, prefix + "x") == first + second


async def test_nothing_is_visible_before_complete(store: ObjectStore, prefix: str) -> None:
    upload_id = await store.create(prefix + "x", ATTRS)
    await send_part(store, prefix + "x", upload_id, 1, b"part")
    with pytest.raises(ObjectNotFound):
        await store.head(ObjectRef(prefix + "x"))
    assert [found async for page in store.list_objects(prefix) for found in page] == []
    await store.abort(prefix + "x", upload_id)


async def test_list_parts_tells_what_was_sent(store: ObjectStore, prefix: str) -> None:
    upload_id = await store.create(prefix + "x", ATTRS)
    sent = [
        await send_part(store, prefix + "x", upload_id, 1, random_body(PART)),
        await send_part(store, prefix + "x", upload_id, 3, b"three"),
    ]
    listed = await store.list_parts(prefix + "x", upload_id)
    assert [(p.number, p.etag, p.size) for p in listed] == [(p.number, p.etag, p.size) for p in sent]
    assert all(mine.crc32c in {None, other.crc32c} for mine, other in zip(listed, sent, strict=True))
    await store.abort(prefix + "x", upload_id)


async def test_open_uploads_are_listed_by_prefix(store: ObjectStore, prefix: str) -> None:
    ids = {key: await store.create(prefix + key, ATTRS) for key in ("a/1", "a/2", "b")}
    listed = await store.list_uploads(prefix + "a/")
    assert {(found.key, found.upload_id) for found in listed} == {
        (prefix + key, ids[key]) for key in ("a/1", "a/2")
    }
    for key, upload_id in ids.items():
        await store.abort(prefix + key, upload_id)
    assert await store.list_uploads(prefix) == []


@pytest.mark.parametrize("backend", having("upload_times"), indirect=True)
async def test_open_uploads_tell_when_they_began(store: ObjectStore, prefix: str) -> None:
    upload_id = await store.create(prefix + "x", ATTRS)
    (listed,) = await store.list_uploads(prefix)
    assert abs(datetime.now(UTC) - listed.initiated) < timedelta(minutes=5)
    await store.abort(prefix + "x", upload_id)


async def test_after_an_abort_the_upload_is_gone(store: ObjectStore, prefix: str) -> None:
    upload_id = await store.create(prefix + "x", ATTRS)
    part = await send_part(store, prefix + "x", upload_id, 1, b"part")
    await store.abort(prefix + "x", upload_id)
    with pytest.raises(UploadNotFound):
        await store.abort(prefix + "x", upload_id)
    with pytest.raises(UploadNotFound):
        await store.list_parts(prefix + "x", upload_id)
    with pytest.raises(UploadNotFound):
        await store.complete(prefix + "x", upload_id, [part])


@pytest.mark.parametrize("backend", having("ends_uploads"), indirect=True)
async def test_a_part_for_an_aborted_upload_is_refused(store: ObjectStore, prefix: str) -> None:
    upload_id = await store.create(prefix + "x", ATTRS)
    await store.abort(prefix + "x", upload_id)
    with pytest.raises(UploadNotFound):
        await send_part(store, prefix + "x", upload_id, 1, b"part")


async def test_a_completed_upload_cannot_be_aborted(store: ObjectStore, prefix: str) -> None:
    upload_id = await store.create(prefix + "x", ATTRS)
    part = await send_part(store, prefix + "x", upload_id, 1, b"all of it")
    await store.complete(prefix + "x", upload_id, [part])
    with pytest.raises(UploadNotFound):
        await store.abort(prefix + "x", upload_id)
    assert await read(store, prefix + "x") == b"all of it"


async def test_a_second_complete_finds_it_gone_or_succeeds_again(store: ObjectStore, prefix: str) -> None:
    upload_id = await store.create(prefix + "x", ATTRS)
    part = await send_part(store, prefix + "x", upload_id, 1, b"all of it")
    first = await store.complete(prefix + "x", upload_id, [part])
    outcome = "gone"
    try:
        outcome = (await store.complete(prefix + "x", upload_id, [part])).etag
    except UploadNotFound:
        assert outcome == "gone"
    assert outcome in {"gone", first.etag}
    assert await read(store, prefix + "x") == b"all of it"


@pytest.mark.parametrize("backend", having("checksums"), indirect=True)
async def test_a_part_with_a_wrong_checksum_is_refused(store: ObjectStore, prefix: str) -> None:
    upload_id = await store.create(prefix + "x", ATTRS)
    with pytest.raises(ChecksumMismatch):
        await store.upload_part(prefix + "x", upload_id, 1, [b"body"], size=4, crc32c=7)
    assert await store.list_parts(prefix + "x", upload_id) == []
    await store.abort(prefix + "x", upload_id)


async def test_wrong_part_lists_make_no_object(store: ObjectStore, prefix: str) -> None:
    upload_id = await store.create(prefix + "x", ATTRS)
    part = await send_part(store, prefix + "x", upload_id, 1, b"part")
    other = PartReceipt(1, "0123456789abcdef0123456789abcdef", part.size, part.crc32c)
    missing = PartReceipt(2, part.etag, part.size, part.crc32c)
    for wrong in ([other], [part, missing]):
        with pytest.raises(InvalidPart):
            await store.complete(prefix + "x", upload_id, wrong)
    with pytest.raises(ObjectNotFound):
        await store.head(ObjectRef(prefix + "x"))
    await store.abort(prefix + "x", upload_id)


async def test_a_small_part_in_the_middle_is_refused(store: ObjectStore, prefix: str) -> None:
    with pytest.raises(InvalidPart):
        await put_in_parts(store, prefix + "x", [b"too small", b"last"])
    for upload in await store.list_uploads(prefix):
        await store.abort(upload.key, upload.upload_id)


async def test_parts_copied_from_objects(store: ObjectStore, prefix: str) -> None:
    source = random_body(PART + 100)
    stored = await put(store, prefix + "source", source)
    upload_id = await store.create(prefix + "x", ATTRS)
    first = await store.copy_part(
        ObjectRef(prefix + "source"), prefix + "x", upload_id, 1, offset=50, length=PART, if_match=stored.etag
    )
    second = await store.copy_part(ObjectRef(prefix + "source"), prefix + "x", upload_id, 2)
    assert (first.size, second.size) in {(PART, len(source)), (PART, -1)}
    await store.complete(prefix + "x", upload_id, [first, second])
    assert await read(store, prefix + "x") == source[50 : PART + 50] + source


@pytest.mark.parametrize("backend", having("copy_conditions"), indirect=True)
async def test_copying_a_part_from_something_else(store: ObjectStore, prefix: str) -> None:
    await put(store, prefix + "source", b"source")
    upload_id = await store.create(prefix + "x", ATTRS)
    with pytest.raises(PreconditionFailed):
        await store.copy_part(ObjectRef(prefix + "source"), prefix + "x", upload_id, 1, if_match="0" * 32)
    await store.abort(prefix + "x", upload_id)


async def test_copying_a_part_from_nothing(store: ObjectStore, prefix: str) -> None:
    upload_id = await store.create(prefix + "x", ATTRS)
    with pytest.raises(ObjectNotFound):
        await store.copy_part(ObjectRef(prefix + "nothing"), prefix + "x", upload_id, 1)
    with pytest.raises(ValueError, match="length"):
        await store.copy_part(ObjectRef(prefix + "source"), prefix + "x", upload_id, 1, offset=2)
    await store.abort(prefix + "x", upload_id)


async def test_whole_object_checksum_from_parts(store: ObjectStore, prefix: str) -> None:
    bodies = [random_body(PART), random_body(10)]
    crc32c = checksums.combine(checksums.crc32c_of(bodies[:1]), checksums.crc32c_of(bodies[1:]), 10)
    await put_in_parts(store, prefix + "x", bodies)
    info = await store.head(ObjectRef(prefix + "x"))
    assert info.crc32c in {None, crc32c}
    assert checksums.crc32c_of([await read(store, prefix + "x")]) == crc32c
