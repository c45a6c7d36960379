"""Keeps an attempt's lease alive while its stream is open."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Protocol, Self

import structlog

from servicekit.probes import stopping
from strongroom.errors import StrongroomError, UploadSuperseded
from strongroom.metadata.v1.reservation_service_pb2 import BlobHandle

log = structlog.get_logger(__name__)


class Leases(Protocol):
    """Whoever grants the lease; `Reservations` is one."""

    async def renew_lease(self, blob: BlobHandle) -> float:
        """Returns the lease in seconds from now. Raises UploadSuperseded."""
        ...


class LeaseKeeper:
    """``async with LeaseKeeper(…)``: renews every third of the lease; cancels the body when the attempt is
    lost.

    A renewal that fails for another reason is tried again at the next turn: until the lease runs out nobody
    else may touch the attempt, and afterwards the compare-and-set of the next transition fails.
    """

    def __init__(self, leases: Leases, blob: BlobHandle, lease_seconds: float) -> None:
        self._leases = leases
        self._blob = blob
        self._interval = max(lease_seconds / 3, 0.05)
        self._renewer: asyncio.Task[None] | None = None
        self._holder: asyncio.Task[object] | None = None
        self._lost: UploadSuperseded | None = None

    async def __aenter__(self) -> Self:
        self._holder = asyncio.current_task()
        self._renewer = asyncio.create_task(self._renew(), name=f"lease {self._blob.blob_id}")
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
                lease = await self._leases.renew_lease(self._blob)
            except UploadSuperseded as lost:
                self._lost = lost
                if self._holder is not None:
                    self._holder.cancel()
                return
            except StrongroomError as error:
                log.warning("lease_renewal_failed", blob_id=self._blob.blob_id, reason=type(error).__name__)
            except asyncio.CancelledError:
                if stopping():
                    raise
                log.warning("lease_renewal_failed", blob_id=self._blob.blob_id, reason="cancelled")
            except Exception:
                log.exception("lease_renewal_failed", blob_id=self._blob.blob_id)
            else:
                self._interval = max(lease / 3, 0.05)
