"""Tries a call to metadata_service: whether the services trust each other, and how far their clocks differ.

The readiness probe does so every few seconds, ``strongroom doctor`` on demand.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from storage_service.metadata.operations import Credentials
from storage_service.objectstore.interface import ObjectStore
from strongroom.errors import (
    DatabaseUnavailable,
    DeadlineExceeded,
    InternalTokenInvalid,
    ServiceUnavailable,
    StrongroomError,
)
from strongroom.storage.v1 import diagnostics_service_pb2 as pb

#: A larger difference of clocks, in seconds, is logged as a warning. Calls tolerate much larger ones.
WARN_SECONDS: Final = 30.0
WARN_EVERY_SECONDS: Final = 600.0
REACH_ADVICE: Final = (
    "start metadata_service, or correct STRONGROOM_METADATA_ADDRESS; with TLS, STRONGROOM_TLS_CA is the"
    " authority of its certificate, and TLS is on at both ends or at none"
)
#: What to do when metadata_service refuses our calls.
REFUSED_ADVICE: Final = {
    pb.InternalCall.OUTCOME_SECRET_DIFFERS: "give storage_service and metadata_service the same"
    " STRONGROOM_INTERNAL_SECRET, and restart both",
    pb.InternalCall.OUTCOME_CLOCK_DIFFERS: "set the clocks of the machines of storage_service and"
    " metadata_service (chronyd, systemd-timesyncd)",
}

log = structlog.get_logger(__name__)

_REFUSED: Final = {
    "secret": pb.InternalCall.OUTCOME_SECRET_DIFFERS,
    "unset": pb.InternalCall.OUTCOME_SECRET_DIFFERS,
    "clock": pb.InternalCall.OUTCOME_CLOCK_DIFFERS,
}


class InternalCalls:
    """Tries the calls. One instance per process."""

    def __init__(
        self,
        credentials: Credentials,
        store: ObjectStore,
        elsewhere: Callable[[], tuple[str, str] | None] = lambda: None,
    ) -> None:
        self._credentials = credentials
        self._store = store
        self._elsewhere = elsewhere
        self._warned: float | None = None
        self._told = pb.InternalCall.OUTCOME_OK

    async def attempt(self) -> pb.InternalCall:
        """The result of one call. Raises nothing."""
        before = time.time()
        try:
            answer = await self._credentials.check()
        except InternalTokenInvalid as error:
            return _refused(error)
        except (ServiceUnavailable, DeadlineExceeded, DatabaseUnavailable):
            return pb.InternalCall(outcome=pb.InternalCall.OUTCOME_UNREACHABLE)
        except StrongroomError as error:
            log.warning("internal_call_failed", reason=error.reason_name)
            return pb.InternalCall(outcome=pb.InternalCall.OUTCOME_FAILED)
        theirs = answer.time.seconds + answer.time.nanos / 1e9
        difference = theirs - (before + time.time()) / 2
        self._look_at(difference)
        return pb.InternalCall(outcome=pb.InternalCall.OUTCOME_OK, clock_difference_seconds=difference)

    async def diagnose(self) -> pb.DiagnoseResponse:
        """The result of a call, and this process's time, for operators."""
        response = pb.DiagnoseResponse(internal=await self.attempt())
        found = await self._store.check()
        response.bucket.state = found.state.name.lower()
        response.bucket.advice = found.message
        if found.ok and (elsewhere := self._elsewhere()):
            response.bucket.state, response.bucket.advice = elsewhere
        response.bucket.region = found.region or ""
        response.time.GetCurrentTime()
        return response

    async def works(self) -> bool | str:
        """Whether metadata_service accepts our calls, for the probe: True, or one word that says why not
        (``unreachable``, ``secret_differs``, …). The log says it once, and what to do.
        """
        outcome = (await self.attempt()).outcome
        if outcome != self._told:
            self._told = outcome
            if outcome in REFUSED_ADVICE:
                name = pb.InternalCall.Outcome.Name(outcome)
                log.error("internal_call_refused", outcome=name, advice=REFUSED_ADVICE[outcome])
            elif outcome == pb.InternalCall.OUTCOME_UNREACHABLE:
                log.error("metadata_service_away", advice=REACH_ADVICE)
        if outcome == pb.InternalCall.OUTCOME_OK:
            return True
        return pb.InternalCall.Outcome.Name(outcome).removeprefix("OUTCOME_").lower()

    def _look_at(self, difference: float) -> None:
        now = time.monotonic()
        if abs(difference) < WARN_SECONDS:
            return
        if self._warned is None or now - self._warned >= WARN_EVERY_SECONDS:
            self._warned = now
            log.warning("clocks_differ", service="metadata_service", seconds=round(difference))


def _refused(error: InternalTokenInvalid) -> pb.InternalCall:
    found = pb.InternalCall(
        outcome=_REFUSED.get(error.metadata.get("cause", ""), pb.InternalCall.OUTCOME_FAILED)
    )
    seconds = error.metadata.get("seconds", "")
    if seconds.isdecimal():
        found.clock_difference_seconds = int(seconds)
    return found
