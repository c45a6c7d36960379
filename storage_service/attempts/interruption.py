"""Ends the reading of a client's body from outside."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from strongroom.errors import StrongroomError


class Interruptible:
    """``async with`` around the reading of a client's body, which ``interrupt`` can end with an error."""

    def __init__(self) -> None:
        self._timeout: asyncio.Timeout | None = None
        self._error: StrongroomError | None = None

    def interrupt(self, error: StrongroomError) -> bool:
        """Make the block raise ``error``. Return False if it isn't running or was interrupted before."""
        if self._timeout is None or self._error is not None:
            return False
        self._error = error
        self._timeout.reschedule(asyncio.get_running_loop().time())
        return True

    async def __aenter__(self) -> Self:
        self._timeout = await asyncio.timeout(None).__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        timeout, self._timeout = self._timeout, None
        if timeout is None:
            raise RuntimeError("the block was not entered")
        try:
            await timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            if self._error is None:
                raise
            raise self._error from None
