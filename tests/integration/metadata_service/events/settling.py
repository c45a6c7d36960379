"""Waits until readers of events see everything that has happened."""

from __future__ import annotations

import asyncio

from metadata_service.db.database import Pool


async def settled(pool: Pool) -> None:
    """Wait until all of the server's transactions that began before now have ended, because events become
    readable in that order.
    """
    async with pool.connection() as connection, asyncio.timeout(60):
        row = await (await connection.execute("SELECT pg_current_xact_id()::text")).fetchone()
        await connection.commit()
        assert row is not None
        query = "SELECT pg_snapshot_xmin(pg_current_snapshot()) > %s::xid8"
        while await (await connection.execute(query, row)).fetchone() != (True,):
            await connection.rollback()
            await asyncio.sleep(0.01)
