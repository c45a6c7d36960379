"""Isolation of failures: one failing part of a loop's work does not stop the other parts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from metadata_service.db.database import SYSTEM, Database
from metadata_service.db.errors import statement_failed
from servicekit.outages import Outage

_ANSWERS: Final = "SELECT 1"


async def alone(
    outage: Outage, part: Callable[[], Awaitable[int]], *, slow_in: Database | None = None
) -> int:
    """Run one part of a loop's work. Returns how many rows it changed; 0 if it failed, which `outage` logs.

    `slow_in`: a database. If given, a part that timed out counts as failed, provided that this database
    answers. Raises DatabaseUnavailable: the other parts would fail, too.
    """
    try:
        moved = await part()
    except Exception as error:
        if not statement_failed(error):
            if slow_in is None or not isinstance(error.__cause__, TimeoutError):
                raise
            await slow_in.read(SYSTEM, _ANSWERS)
        outage.failed(type(error).__name__, exc_info=error)
        return 0
    outage.well()
    return moved
