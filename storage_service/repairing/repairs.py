"""Repairs the findings of a run one by one, each checked again first; or refuses the run as a whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final

import structlog

from storage_service.attempts.completion import ATTEMPT_KEY
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.errors import translated
from storage_service.objectstore.interface import ObjectStore
from storage_service.reading.damage import DamageReporter
from storage_service.repairing.guard import MostWrong, refuse_doubtful
from storage_service.repairing.identity import BucketIdentity, refused
from storage_service.repairing.manifest import (
    Entry,
    Manifest,
    UnreadableManifest,
    manifest_key,
    object_key,
)
from storage_service.repairing.metrics import RepairMetrics, action_name, outcome_name
from storage_service.repairing.outcomes import ORDER, Repaired, left, outdated, proposed
from storage_service.repairing.quarantine import Quarantine
from storage_service.repairing.rows import Rows
from storage_service.repairing.unowned import UNOWNED, UnownedRepairs
from storage_service.verifying.metrics import kind_name
from storage_service.verifying.objects import Objects
from storage_service.verifying.owners import attempts_of
from storage_service.verifying.stage import Grace
from storage_service.verifying.uploads import OpenUploads
from storage_service.verifying.window import AtKey
from strongroom.errors import NotFound, RepairRefused, StrongroomError
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED
from strongroom.metadata.v1.verification_service_pb2 import KeyRow
from strongroom.storage.v1 import verify_pb2 as wire

log = structlog.get_logger(__name__)

BY_HAND: Final = {
    pb.FINDING_KIND_FILE_WITHOUT_BLOB: "restore the blob's row from a backup, or delete the file",
    pb.FINDING_KIND_DETAIL_MISSING: "restore the details' row from a backup, or delete the file",
    pb.FINDING_KIND_SEGMENT_MISSING: "nothing to do: its client begins anew",
    pb.FINDING_KIND_QUARANTINE_DAMAGED: "bring it back from a replica of the bucket; it goes when its time"
    " is over",
}
FACTS: Final = frozenset(
    {
        pb.FINDING_KIND_OBJECT_MISSING,
        pb.FINDING_KIND_VERSION_MISMATCH,
        pb.FINDING_KIND_ETAG_MISMATCH,
        pb.FINDING_KIND_SIZE_MISMATCH,
        pb.FINDING_KIND_CHECKSUM_MISMATCH,
    }
)


class Repairs:
    """Repairs, and operations on the quarantine. One instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        records: VerificationRecords,
        identity: BucketIdentity,
        quarantine: Quarantine,
        *,
        damage: DamageReporter,
        metrics: RepairMetrics,
        grace: Grace,
        most: MostWrong,
    ) -> None:
        self._store = store
        self._records = records
        self._identity = identity
        self._quarantine = quarantine
        self._metrics = metrics
        self._most = most
        self._objects = Objects(store, records, grace)
        uploads = OpenUploads(store, records, grace)
        self._rows = Rows(store, records, quarantine, damage)
        self._unowned = UnownedRepairs(store, records, quarantine, self._objects, uploads)

    async def repair(self, run_id: str) -> AsyncGenerator[tuple[pb.Finding, Repaired]]:
        """Repair the findings of a run (empty: the last run). Yields each finding with its outcome.

        Raises RepairRefused before anything is touched, NotFound, StrongroomError.
        """
        now = await self._identity.check()
        run = await self._records.run(run_id)
        refuse_doubtful(run, now, self._most)
        log.warning("repair_begins", run_id=run.id, findings=sum(found.count for found in run.findings))
        found = {one.kind for one in run.findings}
        for kinds in ORDER:
            if not kinds & found:
                continue
            async with aclosing(self._findings(run.id)) as findings:
                async for finding in findings:
                    if finding.kind in kinds:
                        yield finding, await self._one(finding, run.id)

    async def entries(self) -> AsyncGenerator[Entry]:
        """All entries in quarantine. Raises StrongroomError."""
        with translated():
            async with aclosing(self._quarantine.entries()) as found:
                async for entry in found:
                    yield entry

    async def restore(self, entry: str) -> Manifest:
        """Restore one entry to its key. Raises NotFound, RepairRefused, StrongroomError."""
        await self._identity.check()
        with translated():
            manifest = await self._entry(entry)
            key, attempt = manifest.key, manifest.metadata.get(ATTEMPT_KEY, "")
            rows = (await self._records.look_up([key])).at(key)
            if any(_takes_away(row, attempt) for row in rows):
                raise refused(
                    "key_busy", "The cleaner is still removing what stood at its key: try again later."
                )
            restored = await self._quarantine.restore(entry)
        log.warning("quarantine_restored", id=entry, key=key)
        return restored

    async def _entry(self, entry: str) -> Manifest:
        """Raises NotFound, RepairRefused, StoreError."""
        try:
            return await self._quarantine.entry(entry)
        except UnreadableManifest:
            raise refused(
                "manifest_unreadable",
                f"The entry's manifest {manifest_key(entry)} can't be read, so the object's place is"
                f" unknown; its bytes are at {object_key(entry)} in the bucket. Nothing was touched.",
            ) from None

    async def restore_run(self, run_id: str) -> AsyncGenerator[Manifest]:
        """Restore all entries of one run. Raises NotFound if there are none."""
        async with aclosing(self.entries()) as found:
            wanted = [one.id async for one in found if isinstance(one, Manifest) and one.run_id == run_id]
        if not wanted:
            raise NotFound("Nothing of this run is in quarantine: `strongroom verify quarantine` lists it.")
        await self._identity.check()
        left: list[str] = []
        for entry in wanted:
            try:
                yield await self.restore(entry)
            except (NotFound, RepairRefused) as error:  # a failure does not stop the others
                left.append(f"{entry}: {error.message}")
        if left:
            raise refused("some_left", f"{len(left)} of {len(wanted)} could not be brought back; {left[0]}")

    async def purge(self, entry: str) -> Entry:
        """Remove one entry for good now and return it. Raises NotFound, RepairRefused, StrongroomError."""
        await self._identity.check()
        with translated():
            purged = await self._quarantine.forget(entry)
        self._purged(purged)
        return purged

    async def purge_before(self, moment: datetime) -> AsyncGenerator[Entry]:
        """Remove for good all entries moved before ``moment`` (UTC). Raises StrongroomError."""
        await self._identity.check()
        async with aclosing(self.entries()) as found:
            old = [one.id async for one in found if one.written_at < moment]
        for entry in old:
            try:
                with translated():
                    purged = await self._quarantine.forget(entry)
            except NotFound:
                continue  # it has expired meanwhile
            self._purged(purged)
            yield purged

    def _purged(self, entry: Entry) -> None:
        self._metrics.purged(1)
        log.warning("quarantine_purged_by_hand", id=entry.id, key=getattr(entry, "key", ""))

    async def _findings(self, run_id: str) -> AsyncGenerator[pb.Finding]:
        after = 0
        while page := await self._records.findings(run_id, after):
            for finding in page:
                yield finding
            after = page[-1].number

    async def _one(self, finding: pb.Finding, run_id: str) -> Repaired:
        """Repair one finding. Never raises a StrongroomError, so that the others are repaired, too."""
        try:
            with translated():
                repaired = await self._act(finding, run_id)
        except StrongroomError as error:
            failed = wire.REPAIR_OUTCOME_FAILED
            repaired = Repaired(proposed(finding.kind), failed, f"{error.reason_name}: {error.message}")
        self._metrics.repaired(repaired)
        log.warning(
            "repair",
            run_id=run_id,
            number=finding.number,
            kind=kind_name(finding.kind),
            key=finding.key,
            version_id=finding.version_id,
            blob_id=finding.blob_id,
            owner_id=finding.owner_id,
            action=action_name(repaired.action),
            outcome=outcome_name(repaired.outcome),
            detail=repaired.detail,
        )
        return repaired

    async def _act(  # noqa: PLR0911 - a table in code
        self, finding: pb.Finding, run_id: str
    ) -> Repaired:
        kind = finding.kind
        if kind in BY_HAND:
            return left(BY_HAND[kind])
        if kind in {pb.FINDING_KIND_USAGE_DRIFT, pb.FINDING_KIND_TALLY_DRIFT}:
            return await self._rows.recount(finding)
        if kind == pb.FINDING_KIND_UPLOAD_ABANDONED:
            return await self._unowned.abort(finding)
        if kind == pb.FINDING_KIND_FILE_DIFFERS:
            row = await self._row_of(finding)
            return await self._rows.copy_facts(row) if row is not None else outdated(proposed(kind))
        now, seen = await self._objects.look_again(finding.key)
        if not any(_is_same(finding, one) for one in now):
            return await self._moved_on(finding, now, seen, run_id)
        if finding.blob_id:
            return await self._of_row(finding, seen, run_id)
        if kind == pb.FINDING_KIND_DELETE_MARKER:
            return await self._unowned.remove_marker(finding, seen)
        return await self._unowned.move(finding, seen, run_id)

    async def _moved_on(
        self, finding: pb.Finding, now: Sequence[pb.Finding], seen: AtKey, run_id: str
    ) -> Repaired:
        """Handle a finding that no longer holds: finish a rewrite that died before it removed the old
        version.
        """
        if finding.kind == pb.FINDING_KIND_METADATA_MISMATCH:
            for one in now:
                if one.kind in UNOWNED and one.version_id == finding.version_id:
                    return await self._unowned.move(one, seen, run_id)
            return await self._rows.end_rewrite(finding, seen, run_id)
        return outdated(proposed(finding.kind))

    async def _of_row(self, finding: pb.Finding, seen: AtKey, run_id: str) -> Repaired:
        row = next(row for row in seen.rows if row.blob_id == finding.blob_id)
        if finding.kind == pb.FINDING_KIND_BLOB_WITHOUT_FILE:
            return await self._rows.retire(row, finding, run_id)
        if finding.kind == pb.FINDING_KIND_METADATA_MISMATCH:
            return await self._rows.rewrite(row, seen, finding, run_id)
        if finding.kind == pb.FINDING_KIND_MARK_OUTDATED:
            return await self._rows.unmark(row)
        return await self._rows.find_bytes(row, seen)

    async def _row_of(self, finding: pb.Finding) -> KeyRow | None:
        """The committed blob of a file: at the file's key, or at the blob's own key if that differs."""
        keys = {finding.key} | {
            field.removeprefix("key ") for field in finding.expected.split(", ") if field.startswith("key ")
        }
        rows = (await self._records.look_up(sorted(keys))).rows
        return next(
            (
                row
                for at in rows.values()
                for row in at
                if row.blob_id == finding.blob_id and row.state == BLOB_STATE_COMMITTED
            ),
            None,
        )


def _takes_away(row: KeyRow, attempt: str) -> bool:
    """Whether the cleaner will remove this attempt's object from the row's key.

    At a shared key each row removes only its own attempt's objects.
    """
    return row.state != BLOB_STATE_COMMITTED and (not row.key_shared or attempt in attempts_of(row))


def _is_same(finding: pb.Finding, now: pb.Finding) -> bool:
    """Whether a finding of now is the reported one: the damage of a row may have changed its kind, and
    anything without a row is identified by its version.
    """
    if finding.blob_id:
        facts = finding.kind in FACTS and now.kind in FACTS
        return now.blob_id == finding.blob_id and (facts or now.kind == finding.kind)
    stray = now.kind == finding.kind or not now.blob_id
    return stray and now.version_id == finding.version_id
