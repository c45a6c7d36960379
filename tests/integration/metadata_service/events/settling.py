"""Waits until readers of events see everything that has happened."""

from __future__ import annotations

import asyncio

from metadata_service.db.database import Database, Pool
from metadata_service.events.horizon import HORIZON, Horizon


async def settled(pool: Pool) -> None:
    """Wait until all of the database's transactions that began before now have ended, because events become
    readable in that order.
    """
    query = f"SELECT {HORIZON} > %(own)s::xid8"
    async with pool.connection() as connection, asyncio.timeout(60):
        row = await (await connection.execute("SELECT pg_current_xact_id()::text")).fetchone()
        await connection.commit()
        assert row is not None
        while True:
            params = {"own": row[0], **await Horizon(Database(pool)).params()}
            if await (await connection.execute(query, params)).fetchone() == (True,):
                return
            await connection.rollback()
            await asyncio.sleep(0.01)
