"""A row compared with its object, in both directions."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from storage_service.metadata.verification import KeysNow, VerificationRecords
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.values import ListedVersion, ObjectAttributes, ObjectInfo
from storage_service.verifying.findings import differences, is_whole
from storage_service.verifying.objects import Objects
from storage_service.verifying.stage import Grace
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED
from strongroom.metadata.v1.verification_service_pb2 import (
    KeyRow,
    ListKeyRowsResponse,
    VerificationShard,
)
from tests.doubles.memory_store import MemoryObjectStore

ATTEMPT = "a-1"
SAID = {
    "strongroom-attempt": ATTEMPT,
    "user_id": "ada",
    "original_filename": "ä.txt",
    "content_type": "text/plain",
}


def row(**changed: Any) -> KeyRow:
    facts: dict[str, Any] = {
        "owner_id": "ada",
        "blob_id": ATTEMPT,
        "state": BLOB_STATE_COMMITTED,
        "key": "uploads/ada/1.txt",
        "version_id": "v1",
        "size_bytes": 3,
        "crc32c": 7,
        "etag": "tag",
        "object_metadata": SAID,
        "content_type": "text/plain; charset=utf-8",
        "is_shown": True,
    }
    return KeyRow(**(facts | changed))


def info(
    metadata: dict[str, str] | None = None, content_type: str = "text/plain;charset=UTF-8"
) -> ObjectInfo:
    return ObjectInfo(
        key="uploads/ada/1.txt",
        size=3,
        etag="tag",
        version_id="v1",
        crc32c=None,
        content_type=content_type,
        metadata=SAID if metadata is None else metadata,
        last_modified=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (info(), None),
        (info(SAID | {"mtime": "1", "strongroom": "x"}), None),
        (info(SAID, "text/html"), ("Content-Type=text/plain;charset=utf-8", "Content-Type=text/html")),
        (info(SAID | {"user_id": "eve"}), ("user_id=ada", "user_id=eve")),
        (info(SAID | {"class_id": "7"}), ("", "class_id=7")),
        (info({"other": "x"}), ("content_type=text/plain, original_filename=ä.txt,", "")),
    ],
)
def test_both_ways(found: ObjectInfo, expected: tuple[str, str] | None) -> None:
    findings = differences(row(), found)
    if expected is None:
        assert findings == []
        return
    (finding,) = findings
    assert finding.kind == pb.FINDING_KIND_METADATA_MISMATCH
    assert finding.expected.startswith(expected[0])
    assert finding.found == expected[1]


@pytest.mark.parametrize(
    ("changed", "whole"),
    [
        ({}, True),
        ({"object_metadata": {"strongroom-attempt": ATTEMPT}}, True),
        ({"object_metadata": {}}, False),
        ({"object_metadata": SAID | {"user_id": "eve"}}, False),
        ({"object_metadata": SAID | {"strongroom-attempt": "a-2"}}, False),
        ({"content_type": "text/html"}, False),
    ],
)
def test_a_row_that_contradicts_itself(changed: dict[str, Any], whole: bool) -> None:
    assert is_whole(row(**changed)) is whole


def test_what_has_lost_all_its_metadata_is_found_although_both_say_nothing() -> None:
    (finding,) = differences(row(object_metadata={}), info({"other": "x"}))
    assert finding.expected == f"strongroom-attempt={ATTEMPT}"


class Records:
    """Returns some rows, and counts requests about objects without an owner."""

    def __init__(self, rows: Sequence[KeyRow]) -> None:
        self.rows = list(rows)
        self.asked: list[int] = []

    async def page(self, after: str, until: str, limit: int) -> ListKeyRowsResponse:
        return ListKeyRowsResponse(rows=self.rows)

    async def look_up(self, keys: Sequence[str]) -> KeysNow:
        return KeysNow({one.key: [one] for one in self.rows if one.key in keys}, frozenset())

    async def shown(self, objects: Sequence[pb.UnownedObject]) -> set[int]:
        self.asked.append(len(objects))
        return {at for at, one in enumerate(objects) if one.owner_id == "shown"}


class Classes(MemoryObjectStore):
    """Reports a storage class for everything."""

    async def list_versions(self, prefix: str, *, after: str = ""):  # type: ignore[no-untyped-def]
        async for page in super().list_versions(prefix, after=after):
            yield [_in_glacier(one) for one in page]


def _in_glacier(one: ListedVersion) -> ListedVersion:
    return ListedVersion(
        one.key,
        one.version_id,
        one.is_latest,
        one.is_delete_marker,
        one.size,
        one.etag,
        one.last_modified,
        "GLACIER",
    )


async def stored(store: MemoryObjectStore, key: str, owner: str) -> KeyRow:
    blob_id = str(uuid.uuid4())
    said = {"strongroom-attempt": blob_id, "user_id": owner}
    attrs = ObjectAttributes(content_type="text/plain", metadata=said)
    put = await store.put(key, [b"abc"], size=3, crc32c=crc32c_of([b"abc"]), attrs=attrs)
    return row(
        blob_id=blob_id,
        key=key,
        version_id=put.version_id or "",
        etag=put.etag,
        crc32c=crc32c_of([b"abc"]),
        object_metadata=said,
        content_type="text/plain",
    )


async def test_all_versions_of_a_window_that_nobody_owns_are_asked_for_at_once() -> None:
    store = MemoryObjectStore()
    for number in range(20):
        await stored(store, f"uploads/x/{number:02}.txt", "shown" if number % 2 else "nobody")
    records = Records([])
    objects = Objects(store, cast("VerificationRecords", records), Grace(0))
    step = await objects.step(VerificationShard(depth=pb.VERIFICATION_DEPTH_LISTINGS))
    assert records.asked == [20]
    assert [one.kind for one in step.findings] == [pb.FINDING_KIND_OBJECT_ORPHANED] * 10
    assert {one.key[-5] for one in step.findings} == set("02468")


@pytest.mark.parametrize("known", ["", "GLACIER", "STANDARD_IA"])
@pytest.mark.parametrize("usual", ["STANDARD", "GLACIER"])
async def test_rows_follow_the_class_of_their_objects(known: str, usual: str) -> None:
    store = Classes()
    one = await stored(store, "uploads/ada/1.txt", "ada")
    one.storage_class = known
    objects = Objects(store, cast("VerificationRecords", Records([one])), Grace(0), usual)
    step = await objects.step(VerificationShard(depth=pb.VERIFICATION_DEPTH_HEADS))
    assert step.findings == []
    moved = [(found.blob_id, found.version_id, found.storage_class) for found in step.moved]
    assert moved == ([] if (known or usual) == "GLACIER" else [(one.blob_id, one.version_id, "GLACIER")])
    assert step.counts.moved_objects == len(moved)
