"""Claims as many due deliveries as there are free places, sends them, and records each outcome.

A slow target occupies a place, but does not stop the loop: the next claim brings other deliveries.
metadata_service bounds the places of one owner. If this process dies between sending and recording, the lease
runs out and the delivery is sent again with the same webhook-id.
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
"""Time for recording, added to the request's limit. Seconds."""
DRAIN_SECONDS: Final = 5.0
GATHER_SECONDS: Final = 0.05
"""Wait this long before a claim, so that deliveries that end together share it."""

log = structlog.get_logger(__name__)


class WebhookSender:
    """One instance per process; ``loop`` runs it.

    :param parallel: requests in flight.
    :param seconds: limit of one request.
    """

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
        """Make one claim and start its deliveries. Always returns False: each delivery wakes the loop when it
        ends.

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
        """Wait until no delivery is in flight."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        """Let deliveries finish for up to DRAIN_SECONDS. Another process sends the rest again."""
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
        """Send one delivery and record its outcome. Never raises an Exception."""
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
    """Fields for the log. Not the URL: its path or query may contain a secret of the receiver's."""
    return {"webhook_id": delivery.claim.webhook_id, "message_id": delivery.message_id}
