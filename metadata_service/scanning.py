"""Which stored contents the malware scanner checks next, and its findings.

Replicas share the work: a claim hides a content from the others until it is reported, or for a while. If
their signatures differ, the newest count: older ones neither claim nor report what these have checked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from metadata_service.blobs import scans
from metadata_service.db.database import SYSTEM, Database, Row, Transaction, user
from metadata_service.db.rotation import Rotation
from metadata_service.files.events import file_infected, infected_refused
from metadata_service.files.rows import COLUMNS, to_file
from metadata_service.projects.events import OF_CONTENT, project_file_infected
from strongroom.families import family_name
from strongroom.metadata.v1 import scan_service_pb2 as pb
from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_INFECTED

#: The claims of a dead scanner last this long.
CLAIM_SECONDS: Final = 900
_FIRST: Final = ("", "00000000-0000-0000-0000-000000000000")
_FILES: Final = f"SELECT {COLUMNS} FROM files WHERE owner_id = %(owner)s AND blob_id = %(blob)s"


class Scanning:
    """One instance per process. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rotation = Rotation(scans.OLDEST, scans.VISITED, scans.OF_OWNERS)

    async def take_stock(self, cursor: str, limit: int) -> str:
        """Add the next contents that were never scanned. Returns where to continue; ``""``: that was all."""
        blob_id, _, owner = cursor.partition(" ")
        first = (owner, blob_id) if cursor else _FIRST
        params = {"owner": first[0], "id": UUID(first[1]), "limit": limit}
        rows = await self._database.transact(SYSTEM, lambda tx: tx.fetch(scans.STOCK, params))
        return f"{rows[0][1]} {rows[0][0]}" if rows else ""

    async def claim(self, database: str, limit: int) -> list[pb.StoredContent]:
        """Contents not checked with these signatures or newer ones, claimed for this caller."""

        async def work(tx: Transaction) -> list[Row]:
            mine = order(database)
            older = [known for (known,) in await tx.fetch(scans.DATABASES, {}) if order(known) < mine]
            if not older:
                return []
            return await self._rotation.claim(tx, limit, {"older": older, "claim": CLAIM_SECONDS})

        rows = await self._database.transact(SYSTEM, work)
        return [_content(row) for row in rows]

    async def report(self, found: Sequence[pb.ScannedContent]) -> None:
        """Record findings, each in its owner's scope, to wake watchers."""
        for one in found:
            await self._report(one)

    async def _report(self, one: pb.ScannedContent) -> None:
        await self._database.transact(user(one.owner_id), lambda tx: _keep(tx, one))

    async def refused(self, told: pb.ReportRefusalRequest) -> None:
        """Send the owner an event about a refused upload, of which nothing was stored."""

        async def work(tx: Transaction) -> None:
            await tx.batch([infected_refused(told)])

        await self._database.transact(user(told.owner_id), work)


async def _keep(tx: Transaction, one: pb.ScannedContent) -> None:
    values = {"owner": one.owner_id, "id": UUID(one.blob_id), **scans.params(one.scan)}
    looked = await tx.fetch(scans.LOOKED, values)
    if looked and order(one.scan.database) < order(looked[0][0]):
        return  # newer signatures have checked it meanwhile
    if not await tx.execute(scans.FOUND, values) or one.scan.outcome != SCAN_OUTCOME_INFECTED:
        return
    params = {"owner": one.owner_id, "blob": UUID(one.blob_id)}
    files, in_projects = await tx.fetch_batch([(_FILES, params), (OF_CONTENT, params)])
    events = [file_infected(to_file(row), one.scan.signature) for row in files]
    events += [project_file_infected(row, one.scan.signature) for row in in_projects]
    if events:
        await tx.batch(events)


def _content(row: Row) -> pb.StoredContent:
    owner_id, blob_id, key, version_id, etag, size, family, in_project, traceparent = row
    shown = "project" if in_project else family_name(family) if family is not None else ""
    return pb.StoredContent(
        owner_id=owner_id,
        blob_id=blob_id,
        key=key,
        version_id=version_id,
        etag=etag,
        size_bytes=size,
        family=shown,
        traceparent=traceparent or "",
    )


Order: TypeAlias = tuple[int, datetime, tuple[int, ...], str]

_SHAPE: Final = re.compile(
    r"ClamAV (?P<engine>[^/\s]+)(?:/(?P<number>\d{1,9})(?:/(?P<built>.*))?)?", re.ASCII
)
_BUILT: Final = "%a %b %d %H:%M:%S %Y"
_NEVER: Final = datetime.min.replace(tzinfo=UTC)
#: Clocks and time zones differ (the date has none). A later date is not believed: such signatures would
#: exclude correct ones until these are later still.
_AHEAD: Final = timedelta(days=2)


def order(database: str, now: datetime | None = None) -> Order:
    """A sort key for sets of signatures, from clamd's own version text: newer ones are larger, ``""`` is the
    smallest.

    ``ClamAV 1.4.3/27800/Sat Nov 29 08:26:14 2026``: the engine, the number of the daily database, and when
    that was built. Replicas may have different ones for hours, since each fetches them at its own times. The
    order is total and the same in every replica, so only the newest has contents of others scanned again.
    """
    found = _SHAPE.fullmatch(database)
    if found is None:
        return 0, _NEVER, (), database
    built = _moment(found["built"])
    if built > (now or datetime.now(UTC)) + _AHEAD:
        return 0, _NEVER, (), database
    engine = tuple(int(part) for part in re.findall(r"\d{1,9}", found["engine"]))
    return int(found["number"] or 0), built, engine, database


def _moment(text: str | None) -> datetime:
    try:
        return datetime.strptime(" ".join((text or "").split()), _BUILT).replace(tzinfo=UTC)
    except ValueError:
        return _NEVER
