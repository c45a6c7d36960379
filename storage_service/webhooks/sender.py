"""Sends what is due: claims as much as there are places for, and records what became of each.

A target that is slow holds a place, not the loop: the next claim brings what others wait for. How many places
one owner has is bounded by what metadata_service hands out. When this process dies between sending and
recording, the lease runs out and the delivery is sent again, with the same webhook-id.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from servicekit import failpoints
from servicekit.background import BackgroundLoop, Heartbeat
from servicekit.telemetry import tracing
from storage_service.failing_items import FailingItems
from storage_service.metadata.webhooks import WebhookDeliveries
from storage_service.webhooks.metrics import WebhookMetrics
from storage_service.webhooks.target import Outcome, TargetClient
from strongroom.errors import StrongroomError
from strongroom.metadata.v1.webhook_delivery_service_pb2 import ClaimedDelivery, RecordDeliveryRequest

AFTER_SEND: Final = failpoints.register("storage.webhook.after_send")
LEASE_SLACK: Final = 5.0
"""Beyond the target's time: for recording."""
DRAIN_SECONDS: Final = 5.0
GATHER_SECONDS: Final = 0.05
"""Deliveries that end together share the next claim."""

log = structlog.get_logger(__name__)


class WebhookSender:
    """One per process; ``loop`` runs it. ``parallel``: requests under way; ``seconds``: of one."""

    def __init__(
        self,
        work: WebhookDeliveries,
        targets: TargetClient,
        heartbeat: Heartbeat,
        metrics: WebhookMetrics,
        *,
        parallel: int,
        seconds: float,
        interval_seconds: float,
    ) -> None:
        self._work = work
        self._records = FailingItems("webhook_unrecorded", "webhooks_recorded_again")
        self._targets = targets
        self._metrics = metrics
        self._parallel = parallel
        self._lease = seconds + LEASE_SLACK
        self._tasks: set[asyncio.Task[None]] = set()
        self.loop = BackgroundLoop(self.run_once, heartbeat, rest_seconds=interval_seconds)

    async def run_once(self) -> bool:
        """One claim, and what it brings on its way. Never True: each end of a delivery wakes the loop.
        Raises what claiming raises.
        """
        if self._tasks:
            await asyncio.sleep(GATHER_SECONDS)
        free = self._parallel - len(self._tasks)
        if free > 0:
            for delivery in await self._work.claim(free, self._lease):
                task = asyncio.create_task(self._deliver(delivery))
                self._tasks.add(task)
                task.add_done_callback(self._done)
            self._metrics.under_way(len(self._tasks))
        return False

    async def settled(self) -> None:
        """Until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        """Let what is under way come to its end for a while; the rest is sent again by another process."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._targets.aclose()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._metrics.under_way(len(self._tasks))
        self.loop.wake()

    async def _deliver(self, delivery: ClaimedDelivery) -> None:
        """Never raises an Exception."""
        with tracing.work("deliver webhook", dict(_facts(delivery)), links=(delivery.traceparent,)):
            await self._sent(delivery)

    async def _sent(self, delivery: ClaimedDelivery) -> None:
        try:
            began = time.monotonic()
            outcome = await self._targets.post(delivery)
            self._metrics.took(time.monotonic() - began)
            await failpoints.hit(AFTER_SEND)
            told = await self._work.record(_told(delivery, outcome))
        except StrongroomError as error:
            self._metrics.ended("unrecorded")
            self._records.failed(error, **_facts(delivery))
        except Exception:
            self._metrics.ended("unrecorded")
            log.exception("webhook_unrecorded", **_facts(delivery))
        else:
            self._records.well()
            self._metrics.ended(told)
            if outcome.failure:
                log.info(
                    "webhook_failed",
                    outcome=told,
                    status=outcome.status,
                    failure=outcome.failure,
                    **_facts(delivery),
                )


def _told(delivery: ClaimedDelivery, outcome: Outcome) -> RecordDeliveryRequest:
    return RecordDeliveryRequest(
        claim=delivery.claim,
        status=outcome.status,
        failure=outcome.failure,
        retry_after_seconds=outcome.retry_after,
    )


def _facts(delivery: ClaimedDelivery) -> dict[str, str]:
    """Not the URL: its path or query may be a secret of the receiver's."""
    return {"webhook_id": delivery.claim.webhook_id, "message_id": delivery.message_id}
