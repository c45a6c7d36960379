"""Compares rows with object versions, in both directions (docs/consistency.md, the reconciler's order).

    missing, wrong   rows, listing, rows again, HEAD, rows once more: committed before and after the check
    orphaned         listing, rows, HEAD: older than the grace, and no row knew it after it was listed

So no write or deletion in progress is reported: the row exists before its object is written, and is removed
after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from servicekit.archive_classes import STANDARD
from storage_service.attempts.removal import versions_at
from storage_service.attempts.versioning import NULL_VERSION
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.errors import ObjectNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.parallel import in_parallel
from storage_service.reading.pace import Pace
from storage_service.verifying.findings import about_row, differences, ref_of, wrong_checksum
from storage_service.verifying.owners import Judged, Owners, Unowned
from storage_service.verifying.readback import read_back
from storage_service.verifying.stage import Grace, Step
from storage_service.verifying.window import AtKey, Window, read_window
from strongroom.enum_words import enum_word
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED
from strongroom.metadata.v1.reservation_service_pb2 import Damage
from strongroom.metadata.v1.verification_service_pb2 import KeyRow, VerificationShard


class Objects:
    """VERIFICATION_STAGE_OBJECTS; one instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        records: VerificationRecords,
        grace: Grace,
        storage_class: str = STANDARD,
    ) -> None:
        """:param storage_class: the class of objects whose row names none."""
        self._storage_class = storage_class
        self._store = store
        self._records = records
        self._owners = Owners(store, records, grace)

    async def step(self, shard: VerificationShard) -> Step:
        """Check one window of the shard's range."""
        window = await read_window(self._store, self._records, shard)
        step = Step(window.end, window.done, _counts(window))
        suspects = await self._suspects(window, shard.depth)
        now = await self._records.look_up(sorted(suspects))

        async def judge(suspect: tuple[str, AtKey]) -> tuple[list[pb.Finding], list[KeyRow], Judged]:
            key, seen = suspect
            wrong, lost = await self._wrong_rows(seen, now.at(key), shard.depth)
            return wrong, lost, await self._owners.judge(key, seen, now)

        lost: list[KeyRow] = []
        unowned: list[Unowned] = []
        markers: list[pb.Finding] = []
        for wrong, gone, judged in await in_parallel(suspects.items(), judge):
            step.findings += wrong
            markers += judged.found
            step.counts.twins += judged.twins
            unowned += judged.unowned
            lost += gone
        step.findings += await self._owners.unshown(unowned) + markers
        step.findings += await self._really_lost(lost, suspects)
        step.findings += _unshown(window)
        step.moved = self._moved(window)
        step.counts.moved_objects = len(step.moved)
        return step

    def _moved(self, window: Window) -> list[KeyRow]:
        """Rows whose objects a lifecycle rule has moved to another storage class, with the new one.

        That is no fault: the rows are updated.
        """
        listed = {
            (version.key, version.version_id): version.storage_class
            for seen in window.keys.values()
            for version in seen.versions
        }
        return [
            KeyRow(owner_id=row.owner_id, blob_id=row.blob_id, version_id=row.version_id, storage_class=found)
            for seen in window.keys.values()
            for row in seen.committed
            if (found := listed.get((row.key, row.version_id or NULL_VERSION), ""))
            and found != (row.storage_class or self._storage_class)
        ]

    async def look_again(self, key: str) -> tuple[list[pb.Finding], AtKey]:
        """Check one key now, with its objects read back, in the same order as a step.

        Returns the findings, and the rows and versions seen.
        """
        rows = (await self._records.look_up([key])).at(key)
        seen = AtKey(list(rows), await versions_at(self._store, key))
        now = await self._records.look_up([key])
        wrong, lost = await self._wrong_rows(seen, now.at(key), pb.VERIFICATION_DEPTH_BYTES)
        judged = await self._owners.judge(key, seen, now)
        found = await self._owners.unshown(judged.unowned) + judged.found
        wrong += await self._really_lost(lost, {key: seen})
        unshown = _unshown(Window({key: seen}, key, done=True))
        return wrong + found + unshown, seen

    async def _suspects(self, window: Window, depth: pb.VerificationDepth.ValueType) -> Mapping[str, AtKey]:
        """Keys whose listing does not match the rows; at greater depth, also keys with a wrong HEAD or wrong
        bytes.
        """
        looked_at = depth != pb.VERIFICATION_DEPTH_LISTINGS
        wrong = {key for key, seen in window.keys.items() if not _fits(seen)}
        rows = [
            row
            for key, seen in window.keys.items()
            if looked_at and key not in wrong
            for row in seen.committed
        ]

        async def is_wrong(row: KeyRow) -> bool:
            try:
                if differences(row, await self._store.head(ref_of(row))):
                    return True
                return depth == pb.VERIFICATION_DEPTH_BYTES and not (
                    await read_back(self._store, ref_of(row), row.size_bytes, Pace(0))
                ).fits(row)
            except ObjectNotFound:
                return True

        outcomes = await in_parallel(rows, is_wrong)
        wrong |= {row.key for row, outcome in zip(rows, outcomes, strict=True) if outcome}
        return {key: seen for key, seen in window.keys.items() if key in wrong}

    async def _wrong_rows(
        self, seen: AtKey, now: Sequence[KeyRow], depth: pb.VerificationDepth.ValueType
    ) -> tuple[list[pb.Finding], list[KeyRow]]:
        """Check the rows that were committed before the listing and still are.

        Returns the findings, and the rows whose object is not there.
        """
        before = {row.blob_id for row in seen.committed}
        found: list[pb.Finding] = []
        lost: list[KeyRow] = []
        for row in now:
            if row.state != BLOB_STATE_COMMITTED or row.blob_id not in before:
                continue
            try:
                found += await self._differences(row, depth)
            except ObjectNotFound:
                lost.append(row)
        return found, lost

    async def _differences(self, row: KeyRow, depth: pb.VerificationDepth.ValueType) -> list[pb.Finding]:
        found = differences(row, await self._store.head(ref_of(row)))
        is_known = any(finding.kind == pb.FINDING_KIND_CHECKSUM_MISMATCH for finding in found)
        if not is_known and (row.damage or depth == pb.VERIFICATION_DEPTH_BYTES):
            seen = await read_back(self._store, ref_of(row), row.size_bytes, Pace(0))
            if not seen.fits(row) and seen.size == row.size_bytes:
                found.append(wrong_checksum(row, seen.crc32c))
        if row.damage and not found:
            marked = enum_word(Damage.DESCRIPTOR, row.damage)
            found.append(about_row(pb.FINDING_KIND_MARK_OUTDATED, row, expected=marked, found="right bytes"))
        return found

    async def _really_lost(self, lost: Sequence[KeyRow], seen: Mapping[str, AtKey]) -> list[pb.Finding]:
        """Findings for missing objects whose rows are still committed.

        The rows are read again after HEAD: a deletion changes the row before it removes the object.
        """
        if not lost:
            return []
        now = await self._records.look_up(sorted({row.key for row in lost}))
        still = {
            row.blob_id for rows in now.rows.values() for row in rows if row.state == BLOB_STATE_COMMITTED
        }
        found = []
        for row in lost:
            if row.blob_id not in still:
                continue
            other = await self._owners.version_of(row, seen[row.key].versions)
            kind = pb.FINDING_KIND_VERSION_MISMATCH if other else pb.FINDING_KIND_OBJECT_MISSING
            expected = row.version_id or NULL_VERSION
            found.append(about_row(kind, row, expected=expected, found=other))
        return found


def _fits(seen: AtKey) -> bool:
    """Whether the listing shows exactly the committed rows, each with its length and entity tag."""
    listed = {version.version_id: version for version in seen.versions}
    for row in seen.committed:
        version = listed.pop(row.version_id or NULL_VERSION, None)
        if version is None or version.size != row.size_bytes or row.damage:
            return False
        if version.etag and row.etag and version.etag != row.etag:
            return False
    return not listed


def _unshown(window: Window) -> list[pb.Finding]:
    """Committed rows that no file shows. State and file were read in one snapshot."""
    return [
        about_row(pb.FINDING_KIND_BLOB_WITHOUT_FILE, row, expected="a file or a file of a project")
        for seen in window.keys.values()
        for row in seen.committed
        if not row.is_shown
    ]


def _counts(window: Window) -> pb.VerificationCounts:
    seen = window.keys.values()
    committed = [row for at in seen for row in at.committed]
    objects = [version for at in seen for version in at.versions if not version.is_delete_marker]
    scrubbed = [row for row in committed if row.is_scrubbed]
    return pb.VerificationCounts(
        rows=sum(len(at.rows) for at in seen),
        committed_rows=len(committed),
        committed_bytes=sum(row.size_bytes for row in committed),
        objects=len(objects),
        object_bytes=sum(version.size for version in objects),
        passed_over=window.passed_over,
        scrubbed_rows=len(scrubbed),
        scrubbed_bytes=sum(row.size_bytes for row in scrubbed),
    )
