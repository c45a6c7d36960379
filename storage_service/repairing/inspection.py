"""A stage of a verification: checks that the entries in quarantine can be restored."""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectRef
from storage_service.parallel import in_parallel
from storage_service.reading.pace import Pace
from storage_service.repairing.manifest import Manifest, Unreadable, manifest_key, object_key
from storage_service.repairing.quarantine import Quarantine
from storage_service.verifying.readback import read_back
from storage_service.verifying.stage import Grace, Step
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.verification_service_pb2 import VerificationShard

ENTRIES: Final = 1000
"""The most entries checked in one step."""


class QuarantineStage:
    """VERIFICATION_STAGE_QUARANTINE.

    :param grace: how long an entry is kept. Older entries are skipped: they may be about to be removed.
    """

    def __init__(self, store: ObjectStore, quarantine: Quarantine, grace: Grace) -> None:
        self._store = store
        self._quarantine = quarantine
        self._grace = grace

    async def step(self, shard: VerificationShard) -> Step:
        """Check the next entries, by name. Raises StoreError."""
        entries: list[str] = []
        last, done = "", True
        async with aclosing(self._quarantine.listed(shard.cursor)) as listed:
            async for entry, versions in listed:
                if len(entries) >= ENTRIES:
                    done = False
                    break
                last = entry
                if not all(self._grace.is_over(version.last_modified) for version in versions):
                    entries.append(entry)
        reads = shard.depth == pb.VERIFICATION_DEPTH_BYTES

        async def look(entry: str) -> pb.Finding | None:
            return await self._look(entry, reads=reads)

        found = await in_parallel(entries, look)
        step = Step("" if done else last, done=done)
        step.findings += [finding for finding in found if finding is not None]
        return step

    async def _look(self, entry: str, *, reads: bool) -> pb.Finding | None:
        found = await self._quarantine.described(entry)
        if found is None:
            return None  # restored or purged meanwhile
        if isinstance(found, Unreadable):
            if found.may_be_written:
                return None
            return pb.Finding(
                kind=pb.FINDING_KIND_QUARANTINE_DAMAGED,
                key=manifest_key(entry),
                row=entry,
                expected="a manifest",
                found="what nobody can read" if found.is_there else "",
            )
        wrong = await self._wrong(found, reads=reads)
        if not wrong or await self._quarantine.described(entry) is None:
            return None
        return pb.Finding(
            kind=pb.FINDING_KIND_QUARANTINE_DAMAGED,
            key=object_key(entry),
            row=entry,
            size_bytes=found.size_bytes,
            expected=f"{found.size_bytes} bytes, {found.crc32c:08x}",
            found=wrong,
        )

    async def _wrong(self, manifest: Manifest, *, reads: bool) -> str:
        """Describe how the bytes differ from the manifest; ``""`` if they don't."""
        ref = ObjectRef(object_key(manifest.id))
        try:
            info = await self._store.head(ref)
            size, crc32c = info.size, info.crc32c
            if reads and size == manifest.size_bytes:
                seen = await read_back(self._store, ref, size, Pace(0))
                size, crc32c = seen.size, seen.crc32c
        except ObjectNotFound:
            return "no bytes"
        if size == manifest.size_bytes and crc32c in {None, manifest.crc32c}:
            return ""
        return f"{size} bytes" + ("" if crc32c is None else f", {crc32c:08x}")
