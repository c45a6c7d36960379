"""Drains this process on an operator's request. The process reports its state to metadata_service every few
seconds, and learns from the answer whether to drain.

A draining process finishes its work but begins nothing: no loop begins a pass, imports are refused, and its
health is NOT_SERVING, so that load balancers choose others. Requests that still arrive are answered.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from servicekit.background import BackgroundLoop, Heartbeat
from storage_service.metadata.calls import replica_name
from storage_service.metadata.operations import Operations
from strongroom.errors import ServiceUnavailable
from strongroom.metadata.v1.replica_pb2 import Replica

REPORT_SECONDS: Final = 3.0

log = structlog.get_logger(__name__)


class Draining:
    """One instance per process.

    ``loops`` begin no pass while it drains. ``requests``: the number of requests in progress.
    """

    def __init__(
        self,
        operations: Operations,
        heartbeat: Heartbeat,
        loops: Sequence[BackgroundLoop],
        requests: Callable[[], int],
    ) -> None:
        self.is_on = False
        self._operations = operations
        self._loops = loops
        self._requests = requests
        self._instance = str(uuid.uuid4())
        for loop in loops:
            loop.hold_while(lambda: self.is_on)
        self.loop = BackgroundLoop(self.report, heartbeat, rest_seconds=REPORT_SECONDS)

    async def report(self) -> bool:
        """Report the state, and drain or not as answered. Raises StrongroomError; then nothing changes."""
        busy = sorted(loop.name for loop in self._loops if loop.is_busy)
        replica = Replica(name=replica_name(), busy=busy, requests=self._requests(), draining=self.is_on)
        drain = await self._operations.report_replica(replica, self._instance)
        if drain == self.is_on:
            return False
        self.is_on = drain
        log.warning("replica_drains" if drain else "replica_works_again", replica=replica.name)
        for loop in self._loops:
            loop.wake()
        return True  # report again at once, so that operators see that it was understood

    def refuse_imports(self) -> None:
        """Raises ServiceUnavailable while the process drains."""
        if self.is_on:
            raise ServiceUnavailable(
                "This server is being drained and begins no import; ask again, and another one takes it.",
                retry_after=REPORT_SECONDS,
                metadata={"service": "storage_service"},
            )
