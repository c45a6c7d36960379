"""Quarantine: moves an unowned object below an internal prefix, from where it can be restored.

    copy ─▶ compare ─▶ manifest ─▶ look again ─▶ remove that version

Each step can be repeated, because the entry's name follows from key and version. A crash leaves the original,
or the original and a copy, or the copy with its manifest. Entries are removed when their time is over.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final, TypeAlias

import structlog

from servicekit import failpoints
from storage_service.attempts.removal import versions_at
from storage_service.objectstore.errors import ObjectNotFound, StoreUnavailable
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import (
    ListedVersion,
    ObjectAttributes,
    ObjectInfo,
    ObjectRef,
)
from storage_service.repairing.documents import read_document, write_document
from storage_service.repairing.identity import refused
from storage_service.repairing.manifest import (
    PREFIX,
    Entry,
    Manifest,
    Unreadable,
    UnreadableManifest,
    entry_id,
    from_json,
    manifest_key,
    object_key,
)
from storage_service.verifying.readback import checksum_of
from storage_service.verifying.stage import Grace
from strongroom.errors import NotFound, RepairRefused

AFTER_COPY: Final = failpoints.register("storage.repair.after_copy")
AFTER_MANIFEST: Final = failpoints.register("storage.repair.after_manifest")
AFTER_REMOVAL: Final = failpoints.register("storage.repair.after_removal")
AFTER_RETURN: Final = failpoints.register("storage.repair.after_return")
IN_PURGE: Final = failpoints.register("storage.repair.in_purge")

#: Entries in one request about their owners.
ASKED_AT_ONCE: Final = 500
Erased: TypeAlias = Callable[[Sequence[Manifest]], Awaitable[Sequence[int]]]
"""Returns the positions of the entries whose owner was erased."""
_LARGEST_MANIFEST: Final = 1 << 20
_AFTER_SLASH: Final = "0"  # the character after "/": sorts after everything below a name
AT_ONCE: Final = Grace(0.0)

log = structlog.get_logger(__name__)
_MD5: Final = re.compile(r"[0-9a-f]{32}")


class Quarantine:
    """Moves, lists, restores and purges entries. One instance per process.

    :param grace: how long an entry is kept.
    :param young: how long an entry without a manifest may still be waiting for it.
    """

    def __init__(self, store: ObjectStore, grace: Grace, young: Grace = AT_ONCE) -> None:
        self._store = store
        self._grace = grace
        self._young = young

    async def move(
        self,
        version: ListedVersion,
        *,
        why: str,
        found: str,
        run_id: str,
        still: Callable[[], Awaitable[bool]],
    ) -> Manifest | None:
        """Move one version to quarantine.

        :param still: called after the copy: whether the version is still unowned. If not, it stays in place,
            and the result is None.

        Raises ObjectNotFound, StoreError.
        """
        manifest = await self.copy(version.ref, why=why, found=found, run_id=run_id)
        if not await still():
            if await self._is_there(
                version
            ):  # otherwise another repair has moved it, and this entry is the only copy
                await self._forget(manifest.id)
            return None
        await self._store.delete(version.ref)
        await failpoints.hit(AFTER_REMOVAL)
        if await self._is_there(version):
            raise StoreUnavailable("a removed version is still there", operation="DeleteObject")
        return manifest

    async def _is_there(self, version: ListedVersion) -> bool:
        left = await versions_at(self._store, version.key)
        return any(one.version_id == version.version_id for one in left)

    async def copy(
        self, ref: ObjectRef, *, why: str, found: str, run_id: str, kept: bool = False
    ) -> Manifest:
        """Copy the bytes and write the manifest; the original stays. Raises ObjectNotFound, StoreError."""
        info = await self._store.head(ref)
        entry = entry_id(ref, info)
        crc32c = await checksum_of(self._store, ref, info)
        await self._copied(ref, info, object_key(entry), crc32c)
        await failpoints.hit(AFTER_COPY)
        manifest = Manifest(
            id=entry,
            key=ref.key,
            version_id=ref.version_id or "",
            size_bytes=info.size,
            etag=info.etag,
            crc32c=crc32c,
            content_type=info.content_type,
            metadata=dict(info.metadata),
            last_modified=info.last_modified,
            why=why,
            found=found,
            run_id=run_id,
            moved_at=datetime.now(UTC),
            kept=kept,
        )
        await write_document(self._store, manifest_key(manifest.id), manifest.to_json())
        await failpoints.hit(AFTER_MANIFEST)
        return manifest

    async def entry(self, entry: str) -> Manifest:
        """One entry. Raises NotFound, StoreError."""
        manifest = await self._read(entry)
        if manifest is None:
            raise no_entry()
        return manifest

    async def entries(self) -> AsyncGenerator[Entry]:
        """All entries by id, those without a readable manifest included. Raises StoreError."""
        async with aclosing(self.listed()) as listed:
            async for entry, versions in listed:
                found = await self._described(entry, versions)
                if found is not None and not (isinstance(found, Unreadable) and found.may_be_written):
                    yield found

    async def listed(self, after: str = "") -> AsyncGenerator[tuple[str, list[ListedVersion]]]:
        """Entries after this name, with all their versions and delete markers. Raises StoreError."""
        entry, versions = "", list[ListedVersion]()
        start = f"{PREFIX}{after}{_AFTER_SLASH}" if after else ""
        async with aclosing(self._store.list_versions(PREFIX, after=start)) as pages:  # type: ignore[type-var]
            async for page in pages:
                for version in page:
                    name = version.key.removeprefix(PREFIX).partition("/")[0]
                    if name != entry:
                        if versions:
                            yield entry, versions
                        entry, versions = name, []
                    versions.append(version)
        if versions:
            yield entry, versions

    async def described(self, entry: str) -> Entry | None:
        """One entry; None: it does not exist any more. Raises StoreError."""
        versions = await self._versions(entry)
        return await self._described(entry, versions) if versions else None

    async def _described(self, entry: str, versions: Sequence[ListedVersion]) -> Entry | None:
        written = max(version.last_modified for version in versions)
        try:
            found = await self._read(entry)
        except UnreadableManifest:
            return Unreadable(entry, written)
        if found is not None or not await self._versions(entry):
            return found
        return Unreadable(entry, written, is_there=False, may_be_written=not self._young.is_over(written))

    async def _versions(self, entry: str) -> list[ListedVersion]:
        """All versions of the entry, also those hidden by a delete marker."""
        async with aclosing(self._store.list_versions(f"{PREFIX}{entry}/")) as pages:  # type: ignore[type-var]
            return [version async for page in pages for version in page]

    async def restore(self, entry: str) -> Manifest:
        """Copy the object back to its key, as a new version, and remove the entry.

        Raises NotFound, RepairRefused, StoreError.
        """
        manifest = await self.entry(entry)
        if not await self._is_back(manifest):  # an earlier restore may have got this far and crashed
            await self._bring_back(manifest)
        await self._forget(entry)
        return manifest

    async def _bring_back(self, manifest: Manifest) -> None:
        source = ObjectRef(object_key(manifest.id))
        try:
            info = await self._store.head(source)
        except ObjectNotFound as error:
            raise NotFound(
                "The entry's bytes are not there any more: its time is over, or somebody has removed them."
            ) from error
        crc32c = await checksum_of(self._store, source, info)
        if (info.size, crc32c) != (manifest.size_bytes, manifest.crc32c):
            raise _others(manifest, info.size, crc32c)
        await self._copied(source, info, manifest.key, manifest.crc32c)
        await failpoints.hit(AFTER_RETURN)

    async def purge(self) -> int:
        """Remove expired entries. Returns how many. Raises StoreError."""
        purged = 0
        async with aclosing(self.listed()) as entries:
            async for _, versions in entries:
                if all(self._grace.is_over(version.last_modified) for version in versions):
                    await self._remove(versions)
                    purged += 1
        return purged

    async def forget(self, entry: str) -> Entry:
        """Remove one entry now and return it. Raises NotFound, StoreError."""
        versions = await self._versions(entry)
        found = await self._described(entry, versions) if versions else None
        if found is None:
            raise no_entry()
        await self._remove(versions)
        return found

    async def purge_erased(self, erased: Erased) -> tuple[int, bool]:
        """Remove the entries that ``erased`` names.

        Returns how many, and whether all entries could be read. An unreadable one goes when its time is over.
        Raises StoreError, and what ``erased`` raises.
        """
        purged, saw_all = 0, True
        batch: list[Manifest] = []
        async with aclosing(self.listed()) as entries:
            async for entry, versions in entries:
                found = await self._described(entry, versions)
                if found is None:
                    continue
                if isinstance(found, Unreadable):
                    saw_all = False
                    log.warning("quarantine_manifest_unreadable", entry=found.id)
                    continue
                batch.append(found)
                if len(batch) == ASKED_AT_ONCE:
                    purged += await self._forget_erased(batch, erased)
                    batch = []
        return purged + await self._forget_erased(batch, erased), saw_all

    async def _forget_erased(self, batch: list[Manifest], erased: Erased) -> int:
        """Remove entries of erased users, manifests last: after a crash they still name the owner of the
        bytes.
        """
        if not batch:
            return 0
        found = [batch[at] for at in await erased(batch)]
        for manifest in found:
            await self._forget(manifest.id)
        return len(found)

    async def _remove(self, versions: Sequence[ListedVersion]) -> None:
        """Remove the bytes first, so that they are described as long as they exist."""
        for version in reversed(versions):
            await self._store.delete(version.ref)
            await failpoints.hit(IN_PURGE)

    async def _forget(self, entry: str) -> None:
        """Remove one entry, its bytes first like ``_remove``."""
        for key in (object_key(entry), manifest_key(entry)):
            for version in await versions_at(self._store, key):
                await self._store.delete(version.ref)

    async def _is_back(self, manifest: Manifest) -> bool:
        """Whether the same object is at its key already: an earlier restore was interrupted after its
        copy.
        """
        for version in await versions_at(self._store, manifest.key):
            if version.is_delete_marker or version.size != manifest.size_bytes:
                continue
            info = await self._store.head(version.ref)
            if (info.metadata, info.content_type) != (manifest.metadata, manifest.content_type):
                continue  # a repair has rewritten it: that is another object
            if await checksum_of(self._store, version.ref, info) == manifest.crc32c:
                return True
        return False

    async def _copied(self, source: ObjectRef, info: ObjectInfo, key: str, crc32c: int) -> None:
        """Copy the object to ``key``, or find a copy there, and compare it. Raises StoreUnavailable."""
        attrs = ObjectAttributes(content_type=info.content_type, metadata=dict(info.metadata))
        if key.startswith(PREFIX) and await self._has(key, info.size, crc32c):
            return
        made = await self._store.copy(source, key, attrs, size=info.size, if_match=info.etag or None)
        there = await self._store.head(ObjectRef(key, made.version_id))
        if there.size != info.size or not await self._is_same(there, info, crc32c, made.version_id):
            raise StoreUnavailable("a copy is not what was copied", operation="CopyObject")

    async def _has(self, key: str, size: int, crc32c: int) -> bool:
        try:
            there = await self._store.head(ObjectRef(key))
        except ObjectNotFound:
            return False
        return there.size == size and await checksum_of(self._store, ObjectRef(key), there) == crc32c

    async def _is_same(self, there: ObjectInfo, info: ObjectInfo, crc32c: int, version: str | None) -> bool:
        """Whether a copy has the original's bytes: by MD5 entity tags if the store keeps no CRC-32C, else by
        CRC-32C.
        """
        if there.crc32c is None and there.etag == info.etag and _MD5.fullmatch(info.etag):
            return True
        return await checksum_of(self._store, ObjectRef(there.key, version), there) == crc32c

    async def _read(self, entry: str) -> Manifest | None:
        text = await read_document(self._store, manifest_key(entry), _LARGEST_MANIFEST)
        return None if text is None else from_json(text, entry)


def no_entry() -> NotFound:
    """The refusal for an entry that does not exist."""
    return NotFound("There is no such entry in quarantine: `strongroom verify quarantine` lists them.")


def _others(manifest: Manifest, size: int, crc32c: int) -> RepairRefused:
    return refused(
        "bytes_damaged",
        f"The entry's bytes are not those that were moved: {size} bytes with CRC-32C {crc32c:08x} instead of"
        f" {manifest.size_bytes} with {manifest.crc32c:08x}. They are at {object_key(manifest.id)} in the"
        " bucket: bring the right ones back from a replica. Nothing was touched.",
    )
