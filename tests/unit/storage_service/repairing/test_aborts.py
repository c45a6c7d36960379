"""An open upload whose parts may be the bytes of a file is never aborted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from storage_service.metadata.verification import KeysNow, VerificationRecords
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import UploadNotFound
from storage_service.objectstore.values import ObjectAttributes, PartReceipt
from storage_service.repairing.quarantine import Quarantine
from storage_service.repairing.unowned import UnownedRepairs
from storage_service.verifying.objects import Objects
from storage_service.verifying.stage import Grace
from storage_service.verifying.uploads import OpenUploads
from storage_service.verifying.window import AtKey
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import KeyRow
from strongroom.storage.v1 import verify_pb2 as wire
from tests.doubles.memory_store import MemoryObjectStore

KEY = "paths/u/a.bin"


class Records:
    def __init__(self, rows: Sequence[KeyRow]) -> None:
        self._rows = list(rows)

    async def look_up(self, keys: Sequence[str]) -> KeysNow:
        return KeysNow({KEY: self._rows} if KEY in keys else {}, frozenset())


class Right:
    """Finds nothing wrong with the objects at a key."""

    async def look_again(self, key: str) -> tuple[list[pb.Finding], AtKey]:
        return [], AtKey()


def row(upload_id: str, state: blob_pb2.BlobState.ValueType = blob_pb2.BLOB_STATE_COMMITTED) -> KeyRow:
    return KeyRow(key=KEY, blob_id=upload_id or "b", upload_id=upload_id, state=state, size_bytes=4)


async def opened(store: MemoryObjectStore, *parts: bytes) -> str:
    upload_id = await store.create(KEY, ObjectAttributes())
    for number, part in enumerate(parts, 1):
        crc32c = checksums.crc32c_of([part])
        await store.upload_part(KEY, upload_id, number, [part], size=len(part), crc32c=crc32c)
    return upload_id


def repairs_of(store: MemoryObjectStore, rows: Sequence[KeyRow]) -> UnownedRepairs:
    records = cast("VerificationRecords", Records(rows))
    uploads = OpenUploads(store, records, Grace(-60))
    return UnownedRepairs(store, records, cast("Quarantine", None), cast("Objects", Right()), uploads)


def finding(upload_id: str) -> pb.Finding:
    return pb.Finding(kind=pb.FINDING_KIND_UPLOAD_ABANDONED, key=KEY, upload_id=upload_id)


async def open_uploads(store: MemoryObjectStore) -> list[str]:
    return [upload.upload_id for upload in await store.list_uploads(KEY)]


@pytest.mark.parametrize(
    "rows",
    [
        [row("")],  # adopted or rebuilt
        [row("another")],  # relinked
        [row("another"), row("")],
        [row("another"), row("a third")],
    ],
)
@pytest.mark.parametrize("parts", [(b"byte",), (b"by", b"te"), (b"others",)])
async def test_with_parts_where_a_file_stands_it_is_left(
    rows: Sequence[KeyRow], parts: Sequence[bytes]
) -> None:
    store = MemoryObjectStore()
    upload_id = await opened(store, *parts)
    repaired = await repairs_of(store, rows).abort(finding(upload_id))
    assert repaired.outcome == wire.REPAIR_OUTCOME_LEFT
    assert "may be its bytes" in repaired.detail
    assert len(await store.list_parts(KEY, upload_id)) == len(parts)


@pytest.mark.parametrize(("rows", "parts"), [([], (b"part",)), ([], ()), ([row("")], ()), ([row("x")], ())])
async def test_an_upload_that_nothing_owns_is_aborted(rows: Sequence[KeyRow], parts: Sequence[bytes]) -> None:
    store = MemoryObjectStore()
    upload_id = await opened(store, *parts)
    assert (await repairs_of(store, rows).abort(finding(upload_id))).outcome == wire.REPAIR_OUTCOME_DONE
    assert await open_uploads(store) == []


@pytest.mark.parametrize("state", [blob_pb2.BLOB_STATE_PENDING, blob_pb2.BLOB_STATE_DELETING])
async def test_of_an_attempt_that_has_not_ended_it_is_left_alone(
    state: blob_pb2.BlobState.ValueType,
) -> None:
    store = MemoryObjectStore()
    upload_id = await opened(store, b"part")
    repaired = await repairs_of(store, [row("", state)]).abort(finding(upload_id))
    assert repaired.outcome == wire.REPAIR_OUTCOME_OUTDATED
    assert await open_uploads(store) == [upload_id]


async def test_of_one_that_has_ended_meanwhile_nothing_is_said() -> None:
    class Ending(MemoryObjectStore):
        async def list_parts(self, key: str, upload_id: str) -> Sequence[PartReceipt]:
            raise UploadNotFound(operation="ListParts")

    store = Ending()
    upload_id = await opened(store, b"part")
    repaired = await repairs_of(store, [row("")]).abort(finding(upload_id))
    assert repaired.outcome == wire.REPAIR_OUTCOME_OUTDATED
