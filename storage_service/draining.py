"""Whether operators have this process begin nothing new: it tells metadata_service how it is every few
seconds, and hears of it there.

A process that drains ends what it has begun; its loops begin no pass, it begins no import, and its health
says NOT_SERVING, so that balancers lead requests elsewhere. Those that come all the same are answered.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from servicekit.background import BackgroundLoop, Heartbeat
from storage_service.metadata.acts import Operations
from storage_service.metadata.calls import replica_name
from strongroom.errors import ServiceUnavailable
from strongroom.metadata.v1.replica_pb2 import Replica

REPORT_SECONDS: Final = 3.0

log = structlog.get_logger(__name__)


class Draining:
    """One per process. ``loops``: those that begin nothing while it drains; ``requests``: how many are in
    progress.
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
        """Tell, and hear. While nobody answers it goes on as it was. Raises StrongroomError."""
        busy = sorted(loop.name for loop in self._loops if loop.is_busy)
        replica = Replica(name=replica_name(), busy=busy, requests=self._requests(), draining=self.is_on)
        drain = await self._operations.report_replica(replica, self._instance)
        if drain == self.is_on:
            return False
        self.is_on = drain
        log.warning("replica_drains" if drain else "replica_works_again", replica=replica.name)
        for loop in self._loops:
            loop.wake()
        return True  # so that operators see at once that it has heard

    def refuse_imports(self) -> None:
        """Raises ServiceUnavailable while it drains."""
        if self.is_on:
            raise ServiceUnavailable(
                "This server is being drained and begins no import; ask again, and another one takes it.",
                retry_after=REPORT_SECONDS,
                metadata={"service": "storage_service"},
            )
