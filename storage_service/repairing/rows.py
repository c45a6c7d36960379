"""Repairs of rows whose object is missing or differs from the row.

A row is changed only if its bytes were found: as another version of its key with its length and CRC-32C; or
as its own object, if one fact in the row is wrong and the others prove the bytes. Bytes that are nowhere stay
lost.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from servicekit import failpoints
from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.attempts.removal import attempt_at
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore import checksums
from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import (
    ListedVersion,
    ObjectAttributes,
    ObjectInfo,
    ObjectRef,
)
from storage_service.reading.damage import DamageReporter
from storage_service.repairing.outcomes import Repaired, done, left, outdated
from storage_service.repairing.quarantine import Quarantine
from storage_service.verifying.findings import is_whole, ours, ref_of
from storage_service.verifying.metrics import kind_name
from storage_service.verifying.owners import unowned
from storage_service.verifying.window import AtKey
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BLOB_KIND_LEFTOVERS
from strongroom.metadata.v1.reservation_service_pb2 import DAMAGE_CORRUPT, DAMAGE_LOST
from strongroom.metadata.v1.reservation_service_pb2 import Damage as DamageKind
from strongroom.metadata.v1.verification_service_pb2 import (
    CopyFacts,
    KeyRow,
    MarkDamage,
    Recount,
    Relink,
    RepairRowRequest,
    Retire,
)
from strongroom.storage.v1 import verify_pb2 as wire

BEFORE_ROW: Final = failpoints.register("storage.repair.before_row")
AFTER_ROW: Final = failpoints.register("storage.repair.after_row")
AFTER_REWRITE: Final = failpoints.register("storage.repair.after_rewrite")

SHOWN: Final = "a file shows its object, whose own blob's row is lost or another: restore that from a backup"
NOWHERE: Final = "its bytes are nowhere in the bucket: bring them back from a replica or a backup"


@dataclass(frozen=True, slots=True)
class Content:
    """An object that was read to its end; ``md5`` in hex."""

    info: ObjectInfo
    size: int
    crc32c: int
    md5: str


class Rows:
    """Repairs rows. One instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        records: VerificationRecords,
        quarantine: Quarantine,
        damage: DamageReporter,
    ) -> None:
        self._damage = damage
        self._store = store
        self._records = records
        self._quarantine = quarantine

    async def find_bytes(self, row: KeyRow, seen: AtKey) -> Repaired:
        """Find the row's bytes in another version, or in its own object if one fact in the row is wrong.

        Otherwise mark them as lost. Raises StrongroomError, StoreError.
        """
        other = await self._other_version(row, seen)
        if other is not None:
            return await self._relink(row, other, f"version {other.info.version_id or 'null'} has its bytes")
        own = await self._content(ref_of(row))
        if own is None:
            return await self._mark(row, DAMAGE_LOST)
        if own.crc32c == row.crc32c and own.size == row.size_bytes:
            if own.info.etag == row.etag:
                return left("its bytes are right, but the store keeps another checksum with them")
            return await self._relink(row, own, f"entity tag {own.info.etag}")
        if _is_proven_by_tag(row, own):
            return await self._relink(row, own, f"{own.size} bytes, CRC-32C {own.crc32c:08x}")
        return await self._mark(row, DAMAGE_CORRUPT)

    async def unmark(self, row: KeyRow) -> Repaired:
        """Remove the mark: the bytes were just read, and are right again."""
        request = RepairRowRequest(mark=MarkDamage(version_id=row.version_id))
        return await self._change(wire.REPAIR_ACTION_UNMARK, request, row, "its bytes are right again")

    async def recount(self, finding: pb.Finding) -> Repaired:
        """Recount the owner's usage and tallies."""
        action = wire.REPAIR_ACTION_RECOUNT
        request = RepairRowRequest(owner_id=finding.owner_id, recount=Recount())
        changed = await self._records.repair_row(request)
        return done(action) if changed else outdated(action)

    async def _mark(self, row: KeyRow, damage: DamageKind.ValueType) -> Repaired:
        """Mark the row, and report the damage to its owner."""
        request = RepairRowRequest(mark=MarkDamage(version_id=row.version_id, damage=damage))
        marked = await self._change(wire.REPAIR_ACTION_MARK, request, row, NOWHERE)
        if marked.outcome == wire.REPAIR_OUTCOME_DONE:
            self._damage.report("lost" if damage == DAMAGE_LOST else "corrupt", ref_of(row), by="repair")
        return marked

    async def rewrite(self, row: KeyRow, seen: AtKey, finding: pb.Finding, run_id: str) -> Repaired:
        """Write the same bytes again with the metadata from the row; the old version goes to quarantine."""
        action = wire.REPAIR_ACTION_REWRITE
        other = await self._other_version(row, seen)
        if other is not None and other.info.metadata.get(ATTEMPT_KEY) == row.blob_id:
            return await self._take_over(row, seen, other)  # left by a rewrite that did not finish
        own = await self._content(ref_of(row))
        if own is None or (own.size, own.crc32c) != (row.size_bytes, row.crc32c):
            return left("its bytes are not what the row says: verify again with --depth bytes")
        if not is_whole(row):
            return await self._follow(row, own)
        attrs = ObjectAttributes(
            content_type=row.content_type,
            metadata=dict(row.object_metadata),
            storage_class=row.storage_class,
        )
        if row.version_id:
            why = kind_name(finding.kind)
            await self._quarantine.copy(ref_of(row), why=why, found=finding.found, run_id=run_id)
        made = await self._store.copy(
            ref_of(row), row.key, attrs, size=own.size, if_match=own.info.etag or None
        )
        await failpoints.hit(AFTER_REWRITE)
        new = await self._content(ObjectRef(row.key, made.version_id))
        if new is None or (new.size, new.crc32c) != (row.size_bytes, row.crc32c):
            return left("its copy is not what was copied; try again", action)
        return await self._take_over(row, seen, new)

    async def _follow(self, row: KeyRow, own: Content) -> Repaired:
        """Take over the object's metadata into a row that contradicts itself.

        Only if the object was written by the row's own attempt.
        """
        if own.info.metadata.get(ATTEMPT_KEY) != row.blob_id or own.info.etag != row.etag:
            return left("neither the row nor its object says what it is: restore the row from a backup")
        said = f"what version {own.info.version_id or 'null'} says of itself"
        return await self._relink(row, own, said, follows=True)

    async def _take_over(self, row: KeyRow, seen: AtKey, new: Content) -> Repaired:
        """Link the row to the new version and delete the old one, of which the quarantine has a copy.

        The old version stays if it also belongs to another row.
        """
        relinked = await self._relink(row, new, "")
        if relinked.outcome != wire.REPAIR_OUTCOME_DONE:
            return relinked
        named = {one.version_id for one in seen.rows if one.blob_id != row.blob_id}
        if row.version_id and new.info.version_id != row.version_id and row.version_id not in named:
            with contextlib.suppress(ObjectNotFound):
                writer = await attempt_at(self._store, ref_of(row))
                if writer not in _attempts_of_others(row, seen.rows):
                    await self._store.delete(ref_of(row))
        return done(wire.REPAIR_ACTION_REWRITE, f"version {new.info.version_id or 'null'}")

    async def end_rewrite(self, finding: pb.Finding, seen: AtKey, run_id: str) -> Repaired:
        """Finish a rewrite: move the old version away.

        It was written by the row's own attempt, so no verification would report it as foreign.
        """
        action = wire.REPAIR_ACTION_REWRITE
        row = next((one for one in seen.committed if one.blob_id == finding.blob_id), None)
        old = next((one for one in seen.versions if one.version_id == finding.version_id), None)
        if any(one.version_id == finding.version_id for one in seen.rows):
            return outdated(action)
        # Swift may list two versions of one multipart upload with the same parts: deleting one deletes both.
        if row is None or old is None or not row.version_id or row.upload_id:
            return outdated(action)

        async def still() -> bool:
            rows = (await self._records.look_up([row.key])).at(row.key)
            return all(one.version_id != old.version_id for one in rows)

        why = kind_name(finding.kind)
        moved = None
        with contextlib.suppress(ObjectNotFound):
            moved = await self._quarantine.move(old, why=why, found=finding.found, run_id=run_id, still=still)
        return outdated(action) if moved is None else done(action, f"quarantine {moved.id}")

    async def retire(self, row: KeyRow, finding: pb.Finding, run_id: str) -> Repaired:
        """Remove a blob that no file shows: copy its bytes to quarantine, and delete the row like a deleted
        file's.
        """
        action = wire.REPAIR_ACTION_RETIRE
        why = kind_name(finding.kind)
        with contextlib.suppress(ObjectNotFound):
            if await self._records.shown([unowned(await self._store.head(ref_of(row)))]):
                return left(SHOWN, action)
        try:
            copy = await self._quarantine.copy(
                ref_of(row), why=why, found=f"blob {row.blob_id} of {row.owner_id}", run_id=run_id, kept=True
            )
        except ObjectNotFound:
            detail = "nothing was there to be kept"
        else:
            detail = f"quarantine {copy.id}"
        return await self._change(action, RepairRowRequest(retire=Retire()), row, detail)

    async def copy_facts(self, row: KeyRow) -> Repaired:
        """Copy the blob's facts to its file, if its object agrees with them."""
        own = await self._content(ref_of(row))
        if own is None or (own.size, own.crc32c, own.info.etag) != (row.size_bytes, row.crc32c, row.etag):
            return left("the object is not what its blob says; repair that first")
        request = RepairRowRequest(copy_facts=CopyFacts())
        return await self._change(wire.REPAIR_ACTION_COPY_FACTS, request, row, f"as blob {row.blob_id}")

    async def _relink(self, row: KeyRow, content: Content, detail: str, *, follows: bool = False) -> Repaired:
        wanted = Relink(
            from_version_id=row.version_id,
            from_etag=row.etag,
            version_id=(content.info.version_id or "") if row.version_id else row.version_id,
            etag=content.info.etag,
            size_bytes=content.size,
            crc32c=content.crc32c,
        )
        if follows:
            wanted.said.object_metadata.update(ours(content.info.metadata))
            wanted.said.content_type = content.info.content_type
        return await self._change(wire.REPAIR_ACTION_RELINK, RepairRowRequest(relink=wanted), row, detail)

    async def _change(
        self, action: wire.RepairAction.ValueType, request: RepairRowRequest, row: KeyRow, detail: str
    ) -> Repaired:
        request.owner_id, request.blob_id = row.owner_id, row.blob_id
        await failpoints.hit(BEFORE_ROW)
        changed = await self._records.repair_row(request)
        await failpoints.hit(AFTER_ROW)
        return done(action, detail) if changed else outdated(action)

    async def _other_version(self, row: KeyRow, seen: AtKey) -> Content | None:
        """A version of the row's key that has its bytes and is no other attempt's; its own attempt's
        first.
        """
        candidates = []
        for version in _unnamed(row, seen):
            try:
                attempt = (await self._store.head(version.ref)).metadata.get(ATTEMPT_KEY, "")
            except ObjectNotFound:
                continue
            if attempt not in _attempts_of_others(row, seen.rows):
                candidates.append((attempt != row.blob_id, version.ref))
        for _, ref in sorted(candidates, key=lambda candidate: candidate[0]):
            content = await self._content(ref)
            if content is not None and (content.size, content.crc32c) == (row.size_bytes, row.crc32c):
                return content
        return None

    async def _content(self, ref: ObjectRef) -> Content | None:
        """Read the whole object; None: it is not there."""
        crc32c = size = 0
        digest = hashlib.md5(usedforsecurity=False)
        try:
            async with self._store.open(ref) as stream:
                async for piece in stream:
                    crc32c, size = checksums.extend(crc32c, piece), size + len(piece)
                    digest.update(piece)
            info = await self._store.head(ref)
        except ObjectNotFound:
            return None
        return Content(info, size, crc32c, digest.hexdigest())


def _is_proven_by_tag(row: KeyRow, own: Content) -> bool:
    """Whether the entity tag is the MD5 of these bytes, so that only length or checksum in the row are
    wrong.
    """
    return own.md5 == row.etag == own.info.etag and own.info.crc32c in {None, own.crc32c}


def _unnamed(row: KeyRow, seen: AtKey) -> Sequence[ListedVersion]:
    named = {one.version_id for one in seen.rows}
    return [
        version
        for version in seen.versions
        if not version.is_delete_marker
        and version.size == row.size_bytes
        and version.version_id not in named
        and row.version_id
    ]


def _attempts_of_others(row: KeyRow, rows: Sequence[KeyRow]) -> set[str]:
    """Attempts whose versions the cleaner may remove, or another file may show."""
    others = {other.blob_id for other in rows if other.blob_id != row.blob_id}
    kept = (other.object_metadata.get(ATTEMPT_KEY, "") for other in rows if other.kind == BLOB_KIND_LEFTOVERS)
    return (others | set(kept)) - {"", row.blob_id}
