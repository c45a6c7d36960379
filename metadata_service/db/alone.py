"""Work of which each part fails alone: what is wrong with one thing keeps no other waiting."""

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
    """How many rows moved; 0 where this part fails, which `outage` tells. `slow_in`: one that takes too long
    has failed as well, if others are answered there. Raises DatabaseUnavailable: no other would do.
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
