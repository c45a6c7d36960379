"""Keeping, dropping and relinking work only in the bucket of the database's own installation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import pytest

from storage_service.metadata.verification import Restorations, VerificationRecords
from storage_service.objectstore import checksums
from storage_service.objectstore.values import ObjectAttributes
from storage_service.repairing.identity import KEY, BucketIdentity
from storage_service.repairing.quarantine import Quarantine
from storage_service.restoring.decisions import Decisions
from storage_service.restoring.projects import ProjectRestorer
from storage_service.restoring.relinking import Relinks
from storage_service.restoring.strays import Strays
from strongroom.errors import RepairRefused
from strongroom.metadata.v1.restoration_service_pb2 import MovedRow
from strongroom.metadata.v1.verification_service_pb2 import GetInstallationResponse, ListKeyRowsResponse
from strongroom.storage.v1 import restore_pb2 as pb
from tests.doubles.memory_store import MemoryObjectStore

NAMES = [pb.ObjectName(key="uploads/u/a.bin"), pb.ObjectName(key="paths/u/b.bin", version_id="v")]


class Records:
    """A database without rows. ``reads``: how often its rows were read."""

    reads = 0

    async def installation(self) -> GetInstallationResponse:
        return GetInstallationResponse(installation_id="mine", schema_revision="7", expected_revision="7")

    async def page(self, after: str, until: str, limit: int) -> ListKeyRowsResponse:
        self.reads += 1
        return ListKeyRowsResponse()


class Nothing:
    """Any other request to the database, or to the lister of strays, is an error."""

    async def relink(self, links: Sequence[MovedRow]) -> int:
        assert links == []
        return 0


class Bench:
    def __init__(self, store: MemoryObjectStore) -> None:
        self.records = Records()
        records = cast("VerificationRecords", self.records)
        nothing = cast("Restorations", Nothing())
        identity = BucketIdentity(store, records)
        self.relinks = Relinks(store, records, nothing, identity=identity)
        self.decisions = Decisions(
            store,
            records,
            nothing,
            cast("Strays", Nothing()),
            cast("ProjectRestorer", Nothing()),
            quarantine=cast("Quarantine", Nothing()),
            identity=identity,
        )


ACTS: list[Callable[[Bench], Awaitable[object]]] = [
    lambda bench: bench.decisions.keep(NAMES),
    lambda bench: bench.decisions.keep([]),
    lambda bench: bench.decisions.drop(NAMES),
    lambda bench: bench.relinks.page("", dry_run=False),
    lambda bench: bench.relinks.page("uploads/u/a.bin", dry_run=False),
]


async def marked(body: bytes) -> MemoryObjectStore:
    store = MemoryObjectStore()
    crc32c = checksums.crc32c_of([body])
    await store.put(KEY, [body], size=len(body), crc32c=crc32c, attrs=ObjectAttributes())
    return store


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("body", [b'{"installation_id": "other"}', b"not to be read", b""])
async def test_the_bucket_of_another_installation_is_refused(
    act: Callable[[Bench], Awaitable[object]], body: bytes
) -> None:
    bench = Bench(await marked(body))
    with pytest.raises(RepairRefused) as refusal:
        await act(bench)
    assert refusal.value.metadata["rule"] == "foreign_bucket"
    assert bench.records.reads == 0


async def test_to_look_at_it_is_not() -> None:
    bench = Bench(await marked(b'{"installation_id": "other"}'))
    await bench.relinks.page("", dry_run=True)
    assert bench.records.reads == 1


@pytest.mark.parametrize("body", [b'{"installation_id": "mine"}', None])
async def test_the_own_bucket_and_one_without_a_mark_are_not(body: bytes | None) -> None:
    """A rebuild removes the mark first, and relinking doesn't set one."""
    store = MemoryObjectStore() if body is None else await marked(body)
    bench = Bench(store)
    await bench.relinks.page("", dry_run=False)
    assert bench.records.reads == 1
    keys = [found.key async for page in store.list_objects("") for found in page]
    assert keys == ([] if body is None else [KEY])
