"""Work for the cleaner: claims on blobs that need work, the results of that work, and housekeeping before
each claim.

The rows alone say what has to be done. A claim raises the epoch and hides the row from other cleaners for a
while (`not_before`), so two cleaners never hold the same row; the claims of a cleaner that dies simply
expire. A claim does not change `lease_expires_at`, which says whether a writer lives.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial, wraps
from typing import Final, TypeAlias

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from metadata_service import idempotency
from metadata_service.blobs import claims, transitions, upkeep
from metadata_service.blobs.rows import BlobRow, Handle
from metadata_service.config import Timing
from metadata_service.db.database import SYSTEM, Database, Transaction, user
from metadata_service.db.failing_parts import alone
from metadata_service.db.rotation import Rotation
from metadata_service.events import outbox
from metadata_service.files.ending import EndedFiles
from servicekit import failpoints
from servicekit.outages import Outage
from strongroom.errors import DatabaseUnavailable

BEFORE_EXPIRE: Final = failpoints.register("metadata.expire.before_commit")
AFTER_EXPIRE: Final = failpoints.register("metadata.expire.after_commit")
BEFORE_FINISH: Final = failpoints.register("metadata.finish_removal.before_commit")
AFTER_FINISH: Final = failpoints.register("metadata.finish_removal.after_commit")

DEFAULT_BATCH: Final = 50
LARGEST_BATCH: Final = 500
#: Answers and events are small rows, and each upload writes one of each; deleting a thousand takes 0.1 s.
FORGET_BATCH: Final = 1000
#: Seconds until expired rows are looked for again after none was found: they only take up space.
FORGET_REST: Final = 20.0
#: How old the sums may get, in seconds. A window of a week may contain millions of rows; summing them takes a
#: second.
KEPT_AGE_SECONDS: Final = 300.0

_SEEN: Final = """
INSERT INTO cleaner_replicas (name) VALUES (%(name)s) ON CONFLICT (name) DO UPDATE SET seen_at = now()
"""
_FORGET_REPLICAS: Final = "DELETE FROM cleaner_replicas WHERE seen_at < now() - interval '1 day'"


class Expiry:
    """Whether a writer whose lease is over is presumed dead: not while it could not have renewed the lease.

    One per process. ``lease``: seconds. ``away``: leases could not be renewed until now.
    """

    def __init__(self, lease: float, *, away: bool = False) -> None:
        self._lease = lease
        self._counts_from = 0.0  # by time.monotonic
        if away:
            self.was_away()

    @property
    def counts(self) -> bool:
        """Whether an expired lease means a dead writer. False for one lease after renewals became possible
        again.
        """
        return time.monotonic() >= self._counts_from

    def was_away(self) -> None:
        """Note that no lease could be renewed until now."""
        self._counts_from = time.monotonic() + self._lease


class KeptBytes(Collector):
    """Metrics of deleted objects that wait for their removal, within their read grace or restore window.

    Sums over all owners, at most KEPT_AGE_SECONDS old, in the process that serves the cleaners.
    """

    def __init__(self) -> None:
        self._looked_at: float | None = None  # by time.monotonic
        self._objects = self._bytes = 0

    async def look(self, database: Database) -> None:
        """Read the sums, unless that was done less than KEPT_AGE_SECONDS ago. Raises DatabaseUnavailable."""
        if self._looked_at is not None and time.monotonic() - self._looked_at < KEPT_AGE_SECONDS:
            return
        [(self._objects, self._bytes)] = await database.read(SYSTEM, claims.KEPT, {})
        self._looked_at = time.monotonic()

    def collect(self) -> Iterable[Metric]:
        """No metrics before the first look: another replica may serve the cleaners."""
        if self._looked_at is None:
            return ()
        return (
            GaugeMetricFamily(
                "strongroom_kept_objects", "Deleted objects whose bytes are still kept.", value=self._objects
            ),
            GaugeMetricFamily(
                "strongroom_kept_bytes", "Bytes of deleted objects that are still kept.", value=self._bytes
            ),
        )


Chore: TypeAlias = Callable[[Database, Timing], Awaitable[int]]
"""One round of a housekeeping task. Returns how many rows it changed."""


def forgetting(chore: Chore, clock: Callable[[], float] = time.monotonic) -> Chore:
    """Wrap a chore that only frees space: it rests for `FORGET_REST` seconds after a round that found
    nothing.
    """
    rests_until = 0.0

    @wraps(chore)
    async def rested(database: Database, timing: Timing) -> int:
        nonlocal rests_until
        if clock() < rests_until:
            return 0
        if moved := await chore(database, timing):
            return moved
        rests_until = clock() + FORGET_REST
        return 0

    return rested


class CleaningWork:
    """Hands out cleaning work of all owners and takes back its results.

    `chores` run before each claim; log lines name each by its module. `expiry`: a new one of one lease if not
    given.
    """

    def __init__(
        self, database: Database, timing: Timing, *chores: Chore, expiry: Expiry | None = None
    ) -> None:
        self._database = database
        self._timing = timing
        self._expiring, self._ending = map(_failing, ("attempts", "files"))
        known = [("forgetting", forgetting(_forget)), *((chore.__module__, chore) for chore in chores)]
        self._chores = [(_failing(name), partial(chore, database, timing)) for name, chore in known]
        self._rotation = Rotation(claims.CLAIM_DUE, claims.VISIT_DUE, claims.CLAIM_DUE_OF_OWNERS)
        self._ended = EndedFiles(timing)
        self.kept = KeptBytes()
        self.expiry = expiry or Expiry(timing.lease)

    async def claim(
        self, limit: int, replica: str = "", *, without: Sequence[str] = ()
    ) -> tuple[list[BlobRow], int]:
        """Claim blobs that need work, after housekeeping.

        Returns at most `limit` blobs (0: 50; at most 500), each at the epoch of this claim and none of an
        owner in `without`, and the number of rows that housekeeping changed.

        Raises DatabaseUnavailable. Writers could not renew their leases while the database was unavailable,
        so from then on `expiry` grants one more lease.
        """
        try:
            return await self._claim_all(min(limit or DEFAULT_BATCH, LARGEST_BATCH), replica, list(without))
        except DatabaseUnavailable:
            self.expiry.was_away()
            raise

    async def _claim_all(self, wanted: int, replica: str, without: list[str]) -> tuple[list[BlobRow], int]:
        housekept = await alone(self._expiring, lambda: self._expire(wanted))
        housekept += await alone(self._ending, partial(self._ended.run, self._database))
        for outage, chore in self._chores:
            housekept += await alone(outage, chore)
        await self.kept.look(self._database)

        async def work(tx: Transaction) -> list[BlobRow]:
            return await self._claim(tx, wanted, replica, without)

        return await self._database.transact(SYSTEM, work), housekept

    async def finish_removal(self, handle: Handle, from_state: int) -> None:
        """Nothing is left of the blob in S3: create its tombstone, or delete the row if it was GONE.

        Raises UploadSuperseded.
        """

        async def work(tx: Transaction) -> None:
            await transitions.finish_removal(tx, handle, from_state, self._timing.tombstone_grace)
            await failpoints.hit(BEFORE_FINISH)

        await self._database.transact(user(handle.owner_id), work)
        await failpoints.hit(AFTER_FINISH)

    async def release(self, handle: Handle, *, hidden: bool = False, failure: str = "") -> None:
        """Give a claim back after a `failure`; the blob is due again after a pause that doubles with each
        claim.

        `hidden`: the object was hidden behind a delete marker instead; the blob is due again after the
        restore window. Raises UploadSuperseded.
        """

        async def work(tx: Transaction) -> None:
            if hidden:
                await upkeep.keep_hidden(tx, handle, self._timing)
            else:
                await upkeep.release(tx, handle, self._timing, failure)

        await self._database.transact(user(handle.owner_id), work)

    async def settled_keys(self, keys: list[str]) -> list[str]:
        """Those of `keys` (S3 keys) that have blobs, none of which is open (PENDING, COMPLETING)."""
        rows = await self._database.read(SYSTEM, claims.SETTLED_KEYS, {"keys": keys})
        return [row[0] for row in rows]

    async def unrecorded_versions(self, key: str, version_ids: list[str]) -> list[str]:
        """Those of `version_ids`, versions of a shared key, that no blob has recorded."""
        params = {"key": key, "versions": version_ids}
        recorded = {row[0] for row in await self._database.read(SYSTEM, claims.RECORDED_VERSIONS, params)}
        return [version_id for version_id in version_ids if version_id not in recorded]

    async def _claim(self, tx: Transaction, limit: int, replica: str, without: list[str]) -> list[BlobRow]:
        if replica:
            await tx.batch([(_SEEN, {"name": replica}), (_FORGET_REPLICAS, ())])
        params = {
            "claim": self._timing.claim,
            "limit": limit,
            "window": self._timing.restore_window,
            "without": without,
        }
        rows = await tx.fetch(claims.CLAIM_COMPLETING, params) if self.expiry.counts else []
        claim = self._rotation.claim_by_turns if without else self._rotation.claim
        rows += await claim(tx, limit - len(rows), params)
        return [BlobRow(*row) for row in rows]

    async def _expire(self, limit: int) -> int:
        """Move PENDING attempts whose lease is over to ABORTING. Returns how many.

        This has a transaction of its own: the silent writers are shut out before anything of theirs is
        removed.
        """
        if not self.expiry.counts:
            return 0

        async def work(tx: Transaction) -> int:
            expired = await tx.execute(claims.EXPIRE_SILENT, {"limit": limit})
            if expired:
                await failpoints.hit(BEFORE_EXPIRE)
            return expired

        expired = await self._database.transact(SYSTEM, work)
        if expired:
            await failpoints.hit(AFTER_EXPIRE)
        return expired


async def _forget(database: Database, timing: Timing) -> int:
    """Delete expired answers and events. Returns how many."""

    async def work(tx: Transaction) -> int:
        answers = await idempotency.forget(tx, FORGET_BATCH)
        return answers + await outbox.forget(tx, timing.events, FORGET_BATCH)

    return await database.transact(SYSTEM, work)


def _failing(chore: str) -> Outage:
    return Outage("chore_fails", "chore_works_again", chore=chore)
