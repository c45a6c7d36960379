"""Which installation a bucket belongs to: an object of its own says so.

A verification compares, and a repair acts upon, only the bucket of the database's own installation. A bucket
that says nothing yet is taken by the first one that looks at it, unless it holds objects and the database
knows of none, or the database knows of files and the bucket has not even half of some of them: then nobody
verifies or repairs anything. Nor does anybody where the bucket is the installation's and its database is
empty: all that is there would be nobody's. The cleaner waits only where the bucket is another's.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final

import structlog

from storage_service.attempts.removal import versions_at
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.errors import translated
from storage_service.objectstore.interface import ObjectStore
from storage_service.repairing.documents import read_document, write_document
from storage_service.verifying.keyspace import OWN, is_ours
from storage_service.verifying.stage import in_parallel
from storage_service.verifying.window import ROWS
from strongroom.errors import RepairRefused, StrongroomError
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED
from strongroom.metadata.v1.verification_service_pb2 import GetInstallationResponse, KeyRow

KEY: Final = f"{OWN}installation.json"
FORMAT: Final = "strongroom-installation/1"
KNOWN_SECONDS: Final = 600.0
"""So long what periodic work does not ask again."""
REFUSED_SECONDS: Final = 60.0
"""So long it does not ask again after a refusal."""
TAKEN_AFTER_SECONDS: Final = 60.0
"""Periodic work takes a bucket only so long after the start: one that was a mistake mostly ends sooner."""
SAMPLE: Final = 20
"""So many files at most are looked for in a bucket before it is taken."""
ELSEWHERE: Final = frozenset({"foreign_bucket", "files_elsewhere"})
"""Rules by which the bucket is not the database's: what is not in it may well be where it belongs."""
_LARGEST: Final = 4096

log = structlog.get_logger(__name__)


class BucketIdentity:
    """One instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        records: VerificationRecords,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._records = records
        self._clock = clock
        self._takes_from = clock() + TAKEN_AFTER_SECONDS
        self._known_until = 0.0
        self._is_mine = False
        self._rule = ""
        self._asking = asyncio.Lock()

    async def may_remove(self) -> bool:
        """Whether the cleaner may go on: not in a bucket of somebody else's, where nothing would be found and
        rows would be called done. Raises StrongroomError, unless it has known the bucket before.
        """
        try:
            await self.check_seldom()
        except StrongroomError:
            if not self._is_mine:
                raise
        return self._rule not in ELSEWHERE

    async def check_seldom(self) -> bool:
        """Whether ``check`` finds nothing to refuse; at most once in KNOWN_SECONDS, and what it refuses is an
        ERROR in the log. Raises StrongroomError.
        """
        async with self._asking:
            now = self._clock()
            if now < self._known_until:
                return self._is_mine
            known = KNOWN_SECONDS if now >= self._takes_from else self._takes_from - now
            try:
                await self.check(take=now >= self._takes_from)
                self._rule = ""
            except RepairRefused as error:
                self._is_mine, self._rule = False, error.metadata.get("rule", "")
                log.error("bucket_refused", rule=self._rule, advice=error.message)
                known = min(known, REFUSED_SECONDS)
            self._known_until = now + known
            return self._is_mine

    async def check(self, *, take: bool = True) -> GetInstallationResponse:
        """The database's installation, to which the bucket belongs; ``take`` one that belongs to nobody.
        Raises RepairRefused, StrongroomError.
        """
        mine = await self._records.installation()
        if not mine.installation_id:
            raise refused(
                "database_unmarked",
                "The database does not say which installation it is: its table `installation` is empty."
                " Restore that row from a backup; nothing was touched.",
            )
        if mine.schema_revision != mine.expected_revision:
            raise refused(
                "schema_revision",
                f"The database's schema is at revision {mine.schema_revision}, and metadata_service is of"
                f" {mine.expected_revision}: finish the upgrade first; nothing was touched.",
            )
        with translated():
            owner = await self._read()
            if owner is None and take:
                await self._take(mine)
            elif owner == mine.installation_id and take and not mine.has_committed:
                await self._refuse_unknown()
            elif owner is not None and owner != mine.installation_id:
                raise refused(
                    "foreign_bucket",
                    f"The bucket belongs to installation {owner or 'unknown'}, and the database to"
                    f" {mine.installation_id}: bring together what belongs together; nothing was touched."
                    f" (If the bucket shall be this database's from now on, remove its object {KEY}.)",
                )
        self._is_mine = True
        return mine

    async def _read(self) -> str | None:
        """The installation that the bucket names (empty: not to be read); None: none."""
        text = await read_document(self._store, KEY, _LARGEST)
        if text is None:
            return None
        try:
            return str(json.loads(text)["installation_id"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""

    async def _take(self, mine: GetInstallationResponse) -> None:
        """Write whose it is. Of two that do so at one time the earlier one finds out at its next look.

        Raises RepairRefused: it holds objects of which the database knows none, or lacks those of which it
        knows.
        """
        sample = await self._sample() if mine.has_committed else []
        if sample:
            there = sum(await in_parallel(sample, self._has))
            if 2 * there < len(sample):
                raise refused(
                    "files_elsewhere",
                    f"The bucket does not say whose it is, and has {there} of {len(sample)} files that the"
                    " database knows of: is it the right one? Nothing was touched. (If it is, and all that is"
                    f' lost: write {{"installation_id": "{mine.installation_id}"}} to its object {KEY}.)',
                )
        else:
            await self._refuse_unknown()
        document = {"format": FORMAT, "installation_id": mine.installation_id}
        await write_document(self._store, KEY, json.dumps(document, sort_keys=True).encode())
        log.info("bucket_taken", installation_id=mine.installation_id)

    async def _sample(self) -> Sequence[KeyRow]:
        """Some committed rows: evenly out of the first page that has any."""
        after, more = "", True
        while more:
            page = await self._records.page(after, "", ROWS)
            committed = [row for row in page.rows if row.state == BLOB_STATE_COMMITTED]
            if committed:
                return committed[:: -(-len(committed) // SAMPLE)]
            more = page.more
            after = page.rows[-1].key if more else after
        return []

    async def _has(self, row: KeyRow) -> bool:
        """Whether something of the row's length is at its key, hidden or not: copies of a bucket have other
        version ids than the rows say.
        """
        versions = await versions_at(self._store, row.key)
        return any(one.size == row.size_bytes and not one.is_delete_marker for one in versions)

    async def _refuse_unknown(self) -> None:
        """For a database without a file. Raises RepairRefused: the bucket has some."""
        keys = await self._some_keys()
        if keys and not (await self._records.look_up(keys)).rows:
            raise refused(
                "database_empty",
                "The database knows of no file, and the bucket holds objects, of which it knows nothing: all"
                " of them would be called nobody's. Restore the database, or make its rows anew (`strongroom"
                " rebuild`; `strongroom adopt list` shows what is there). Nothing was touched.",
            )

    async def _some_keys(self) -> Sequence[str]:
        """Of objects as Strongroom names them: of the first page that has any, and no more than SAMPLE."""
        async with aclosing(self._store.list_objects("")) as pages:  # type: ignore[type-var]
            async for page in pages:
                if keys := [found.key for found in page if is_ours(found.key)]:
                    return keys[:: -(-len(keys) // SAMPLE)]
        return []


def refused(rule: str, message: str) -> RepairRefused:
    """Why nothing is done; ``rule`` for programs."""
    return RepairRefused(message, metadata={"rule": rule})
