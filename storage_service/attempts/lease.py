"""Keeps a lease alive while bytes are on their way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

import structlog

from servicekit.probes import stopping
from strongroom.errors import StrongroomError, UploadSuperseded

log = structlog.get_logger(__name__)


class LeaseKeeper:
    """``async with LeaseKeeper(…)``: renews every third of the lease; cancels the body when the write is
    lost. ``renew``, ``name``: as of ``engine.Holder``.

    A renewal that fails for another reason is tried again at the next turn: until the lease runs out nobody
    else may touch the attempt, and afterwards the compare-and-set of the next transition fails.
    """

    def __init__(
        self, renew: Callable[[], Awaitable[float]], lease_seconds: float, name: Mapping[str, str]
    ) -> None:
        self._renew_lease = renew
        self._name = name
        self._interval = max(lease_seconds / 3, 0.05)
        self._renewer: asyncio.Task[None] | None = None
        self._holder: asyncio.Task[object] | None = None
        self._lost: UploadSuperseded | None = None

    async def __aenter__(self) -> Self:
        self._holder = asyncio.current_task()
        self._renewer = asyncio.create_task(self._renew(), name=f"lease {self._name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._renewer is not None:
            self._renewer.cancel()
            await asyncio.gather(self._renewer, return_exceptions=True)
        if self._lost is not None and isinstance(error, asyncio.CancelledError):
            if self._holder is not None:
                self._holder.uncancel()
            raise self._lost from None

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                lease = await self._renew_lease()
            except UploadSuperseded as lost:
                self._lost = lost
                if self._holder is not None:
                    self._holder.cancel()
                return
            except StrongroomError as error:
                log.warning("lease_renewal_failed", **self._name, reason=type(error).__name__)
            except asyncio.CancelledError:
                if stopping():
                    raise
                log.warning("lease_renewal_failed", **self._name, reason="cancelled")
            except Exception:
                log.exception("lease_renewal_failed", **self._name)
            else:
                self._interval = max(lease / 3, 0.05)
