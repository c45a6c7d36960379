"""Quarantine: an object that nobody owns is copied below a prefix of ours, compared, described, and only then
removed from its place. It can be brought back until its time is over.

    copy ─▶ compare ─▶ manifest ─▶ look again ─▶ remove that version

Each step may be repeated: the entry's name follows from key and version. A crash leaves the original, or the
original and a copy, or the copy with its manifest.
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
from storage_service.verifying.reading import checksum_of
from storage_service.verifying.stage import Grace
from strongroom.errors import NotFound, RepairRefused

AFTER_COPY: Final = failpoints.register("storage.repair.after_copy")
AFTER_MANIFEST: Final = failpoints.register("storage.repair.after_manifest")
AFTER_REMOVAL: Final = failpoints.register("storage.repair.after_removal")
AFTER_RETURN: Final = failpoints.register("storage.repair.after_return")
IN_PURGE: Final = failpoints.register("storage.repair.in_purge")

#: Entries whose owners are asked for in one call.
ASKED_AT_ONCE: Final = 500
Erased: TypeAlias = Callable[[Sequence[Manifest]], Awaitable[Sequence[int]]]
"""Positions of those whose owner was erased."""
_LARGEST_MANIFEST: Final = 1 << 20
_AFTER_SLASH: Final = "0"  # the character after the slash: behind all that is below a name
AT_ONCE: Final = Grace(0.0)

log = structlog.get_logger(__name__)
_MD5: Final = re.compile(r"[0-9a-f]{32}")


class Quarantine:
    """One instance per process. ``grace``: how long an entry is kept. ``young``: how long one without a
    manifest may be about to get it.
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
        """Take one version away from its place, if it is ``still`` nobody's after it was copied (else None).

        Raises ObjectNotFound, StoreError.
        """
        manifest = await self.copy(version.ref, why=why, found=found, run_id=run_id)
        if not await still():
            if await self._is_there(
                version
            ):  # else another repair has moved it here, and this entry is all there is
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
        """Its bytes and its manifest; the original stays. Raises ObjectNotFound, StoreError."""
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
        """One of them. Raises NotFound, StoreError."""
        manifest = await self._read(entry)
        if manifest is None:
            raise no_entry()
        return manifest

    async def entries(self) -> AsyncGenerator[Entry]:
        """All of them, by id, also those of which nobody can read what they are. Raises StoreError."""
        async with aclosing(self.listed()) as listed:
            async for entry, versions in listed:
                found = await self._described(entry, versions)
                if found is not None and not (isinstance(found, Unreadable) and found.may_be_written):
                    yield found

    async def listed(self, after: str = "") -> AsyncGenerator[tuple[str, list[ListedVersion]]]:
        """Entries after this one by name, with all versions and delete markers. Raises StoreError."""
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
        """One of them; None: there is none, or no longer. Raises StoreError."""
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
        """All that the store has of it, were it hidden by a delete marker."""
        async with aclosing(self._store.list_versions(f"{PREFIX}{entry}/")) as pages:  # type: ignore[type-var]
            return [version async for page in pages for version in page]

    async def restore(self, entry: str) -> Manifest:
        """Bring it back to its key, as a new version, and forget the entry. Raises NotFound, RepairRefused,
        StoreError.
        """
        manifest = await self.entry(entry)
        if not await self._is_back(manifest):  # else one that died on its way has left only what is here
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
        """Remove entries whose time is over; how many. Raises StoreError."""
        purged = 0
        async with aclosing(self.listed()) as entries:
            async for _, versions in entries:
                if all(self._grace.is_over(version.last_modified) for version in versions):
                    await self._remove(versions)
                    purged += 1
        return purged

    async def forget(self, entry: str) -> Entry:
        """Remove one now; answers what it was. Raises NotFound, StoreError."""
        versions = await self._versions(entry)
        found = await self._described(entry, versions) if versions else None
        if found is None:
            raise no_entry()
        await self._remove(versions)
        return found

    async def purge_erased(self, erased: Erased) -> tuple[int, bool]:
        """Remove entries that ``erased`` names: how many, and whether all could be read. One that can't be
        goes when its time is over. Raises StoreError, and what ``erased`` raises.
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
        """The manifest last: it says whose the bytes are, for whoever comes after a crash."""
        if not batch:
            return 0
        found = [batch[at] for at in await erased(batch)]
        for manifest in found:
            await self._forget(manifest.id)
        return len(found)

    async def _remove(self, versions: Sequence[ListedVersion]) -> None:
        """The bytes first: what is there is described for as long as it is."""
        for version in reversed(versions):
            await self._store.delete(version.ref)
            await failpoints.hit(IN_PURGE)

    async def _forget(self, entry: str) -> None:
        """The bytes first, as ``_remove``."""
        for key in (object_key(entry), manifest_key(entry)):
            for version in await versions_at(self._store, key):
                await self._store.delete(version.ref)

    async def _is_back(self, manifest: Manifest) -> bool:
        """Whether the very same object stands at its key: the restore was interrupted after its copy."""
        for version in await versions_at(self._store, manifest.key):
            if version.is_delete_marker or version.size != manifest.size_bytes:
                continue
            info = await self._store.head(version.ref)
            if (info.metadata, info.content_type) != (manifest.metadata, manifest.content_type):
                continue  # what a repair has made of it is another object
            if await checksum_of(self._store, version.ref, info) == manifest.crc32c:
                return True
        return False

    async def _copied(self, source: ObjectRef, info: ObjectInfo, key: str, crc32c: int) -> None:
        """A copy of it at ``key``, made or found there, that was compared. Raises StoreUnavailable."""
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
        """By what the store keeps, where that says it; else by reading it back."""
        if there.crc32c is None and there.etag == info.etag and _MD5.fullmatch(info.etag):
            return True
        return await checksum_of(self._store, ObjectRef(there.key, version), there) == crc32c

    async def _read(self, entry: str) -> Manifest | None:
        text = await read_document(self._store, manifest_key(entry), _LARGEST_MANIFEST)
        return None if text is None else from_json(text, entry)


def no_entry() -> NotFound:
    """As a caller reads it."""
    return NotFound("There is no such entry in quarantine: `strongroom verify quarantine` lists them.")


def _others(manifest: Manifest, size: int, crc32c: int) -> RepairRefused:
    return refused(
        "bytes_damaged",
        f"The entry's bytes are not those that were moved: {size} bytes with CRC-32C {crc32c:08x} instead of"
        f" {manifest.size_bytes} with {manifest.crc32c:08x}. They are at {object_key(manifest.id)} in the"
        " bucket: bring the right ones back from a replica. Nothing was touched.",
    )
