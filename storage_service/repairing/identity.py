"""Checks that the bucket belongs to the database's installation, which an object in the bucket names.

Verifications and repairs work only in the bucket of the database's own installation. The first installation
that checks an unclaimed bucket takes it, except in two cases: the bucket holds objects and the database
knows none of them; or the bucket has fewer than half of a sample of the database's files. Then verifications
and repairs are refused. They are also refused if the bucket is the installation's but the database is empty,
because every object would count as unowned. The cleaner stops only if the bucket belongs to another
installation.
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
from storage_service.parallel import in_parallel
from storage_service.repairing.documents import read_document, write_document
from storage_service.verifying.keyspace import OWN, is_ours
from storage_service.verifying.window import ROWS
from strongroom.errors import RepairRefused, StrongroomError
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED
from strongroom.metadata.v1.verification_service_pb2 import GetInstallationResponse, KeyRow

KEY: Final = f"{OWN}installation.json"
FORMAT: Final = "strongroom-installation/1"
KNOWN_SECONDS: Final = 600.0
"""How long periodic work relies on a successful check."""
REFUSED_SECONDS: Final = 60.0
"""How long it relies on a refusal."""
TAKEN_AFTER_SECONDS: Final = 60.0
"""Periodic work takes a bucket only this long after the start. A process started by mistake has mostly ended
by then.
"""
SAMPLE: Final = 20
"""The most files looked for in a bucket before it is taken."""
ELSEWHERE: Final = frozenset({"foreign_bucket", "files_elsewhere"})
"""Rules that mean the bucket is not the database's: objects missing here may be in the right bucket."""
_LARGEST: Final = 4096

log = structlog.get_logger(__name__)


class BucketIdentity:
    """Compares the bucket's installation with the database's. One instance per process."""

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
        self._rule = self._advice = ""
        self._asking = asyncio.Lock()

    async def may_remove(self) -> bool:
        """Whether the cleaner may remove objects.

        Not in another installation's bucket: it would find no objects there, and record the rows as removed.
        Raises StrongroomError if the database can't be asked and the bucket was not known as its own before.
        """
        try:
            await self.check_seldom()
        except StrongroomError:
            if not self._is_mine:
                raise
        return self.elsewhere() is None

    def elsewhere(self) -> tuple[str, str] | None:
        """Why this is not the database's bucket (a rule of ELSEWHERE), and what to do; None if the last
        periodic check did not find that.
        """
        return (self._rule, self._advice) if self._rule in ELSEWHERE else None

    async def check_seldom(self) -> bool:
        """Whether ``check`` passes, asked at most once in KNOWN_SECONDS. A refusal is logged as an ERROR.

        Raises StrongroomError.
        """
        async with self._asking:
            now = self._clock()
            if now < self._known_until:
                return self._is_mine
            known = KNOWN_SECONDS if now >= self._takes_from else self._takes_from - now
            try:
                await self.check(take=now >= self._takes_from)
                self._rule = self._advice = ""
            except RepairRefused as error:
                self._is_mine, self._rule = False, error.metadata.get("rule", "")
                self._advice = error.message
                log.error("bucket_refused", rule=self._rule, advice=error.message)
                known = min(known, REFUSED_SECONDS)
            self._known_until = now + known
            return self._is_mine

    async def check(self, *, take: bool = True) -> GetInstallationResponse:
        """Return the database's installation if the bucket belongs to it.

        :param take: take the bucket if it belongs to no installation.

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
        """The id of the bucket's installation; empty: unreadable; None: the bucket has none."""
        text = await read_document(self._store, KEY, _LARGEST)
        if text is None:
            return None
        try:
            return str(json.loads(text)["installation_id"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""

    async def _take(self, mine: GetInstallationResponse) -> None:
        """Write the installation into the bucket. If two do so at once, the earlier one notices at its next
        check.

        Raises RepairRefused: the bucket holds objects and the database knows of none, or it lacks the
        database's files.
        """
        sample = await self._sample() if mine.has_committed else []
        if sample:
            there = sum(await in_parallel(sample, self._has))
            if 2 * there < len(sample):
                raise refused(
                    "files_elsewhere",
                    f"The bucket does not say whose it is, and has {there} of {len(sample)} files that the"
                    " database knows of: is it the right one? Nothing was touched. (If it is, and the others"
                    f' are lost: write {{"installation_id": "{mine.installation_id}"}} to its object {KEY}.)',
                )
        else:
            await self._refuse_unknown()
        document = {"format": FORMAT, "installation_id": mine.installation_id}
        await write_document(self._store, KEY, json.dumps(document, sort_keys=True).encode())
        log.info("bucket_taken", installation_id=mine.installation_id)

    async def _sample(self) -> Sequence[KeyRow]:
        """Some committed rows, evenly spread over the first page that has any."""
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
        """Whether any version at the row's key has the row's length.

        Version ids are ignored: in a copied bucket they differ from the rows.
        """
        versions = await versions_at(self._store, row.key)
        return any(one.size == row.size_bytes and not one.is_delete_marker for one in versions)

    async def _refuse_unknown(self) -> None:
        """Raises RepairRefused if the bucket has objects and the database knows none of them."""
        keys = await self._some_keys()
        if keys and not (await self._records.look_up(keys)).rows:
            raise refused(
                "database_empty",
                "The database knows of no file, and the bucket holds objects, of which it knows nothing: all"
                " of them would count as unowned. Restore the database, or make its rows anew (`strongroom"
                " rebuild`; `strongroom adopt list` shows what is there). Nothing was touched.",
            )

    async def _some_keys(self) -> Sequence[str]:
        """At most SAMPLE keys of Strongroom, from the first page that has any."""
        async with aclosing(self._store.list_objects("")) as pages:  # type: ignore[type-var]
            async for page in pages:
                if keys := [found.key for found in page if is_ours(found.key)]:
                    return keys[:: -(-len(keys) // SAMPLE)]
        return []


def refused(rule: str, message: str) -> RepairRefused:
    """A refusal; ``rule`` is its machine-readable reason."""
    return RepairRefused(message, metadata={"rule": rule})
