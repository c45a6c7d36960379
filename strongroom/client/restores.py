"""After a restore of the database, for admins: objects stored since then, which can be kept or dropped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from strongroom.client.connection import Connection
from strongroom.client.restore_values import (
    ObjectName,
    RelinkPage,
    Stray,
    StrayResult,
    to_relink_page,
    to_stray,
    to_stray_result,
)
from strongroom.storage.v1 import restore_pb2 as pb

BATCH = 20
"""Objects per request. The service may have to read each one completely."""
SECONDS = 600.0
"""Time limit of a batch, in seconds."""


class Restores:
    """Lists, keeps and drops strays. Every method raises ``PermissionDenied`` without the admin role."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def strays(self) -> AsyncGenerator[tuple[list[Stray], int]]:
        """Strays in key order, page by page, each page with the number of committed rows in its range."""
        cursor = ""
        while True:
            request = pb.ListStrayObjectsRequest(cursor=cursor)
            page = await self._connection.unary(self._connection.restores.ListStrayObjects, request)
            yield [to_stray(stray) for stray in page.objects], page.committed_rows
            cursor = page.cursor
            if not cursor:
                return

    async def keep(self, names: Sequence[ObjectName]) -> AsyncGenerator[StrayResult]:
        """Turn these objects into files of their owners, one by one; those that are files already stay so."""
        for some in _in_batches(names):
            request = pb.KeepObjectsRequest(names=some)
            kept = await self._connection.unary(
                self._connection.restores.KeepObjects, request, timeout=SECONDS, safe=True
            )
            for result in kept.results:
                yield to_stray_result(result)

    async def drop(self, names: Sequence[ObjectName]) -> AsyncGenerator[StrayResult]:
        """Move these objects to quarantine; any that a row names by then stay."""
        for some in _in_batches(names):
            request = pb.DropObjectsRequest(names=some)
            dropped = await self._connection.unary(
                self._connection.restores.DropObjects, request, timeout=SECONDS, safe=True
            )
            for result in dropped.results:
                yield to_stray_result(result)

    async def relink(self, *, after: str = "", dry_run: bool = False) -> AsyncGenerator[RelinkPage]:
        """Point rows to their objects in a copied bucket, page by page, in key order from ``after`` on."""
        cursor = after
        while True:
            request = pb.RelinkObjectsRequest(cursor=cursor, dry_run=dry_run)
            page = await self._connection.unary(
                self._connection.restores.RelinkObjects, request, timeout=SECONDS, safe=True
            )
            yield to_relink_page(page)
            cursor = page.cursor
            if not cursor:
                return


def _in_batches(names: Sequence[ObjectName]) -> list[list[pb.ObjectName]]:
    told = [pb.ObjectName(key=key, version_id=version) for key, version in names]
    return [told[at : at + BATCH] for at in range(0, len(told), BATCH)]
