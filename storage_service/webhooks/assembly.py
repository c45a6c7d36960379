"""Builds the webhook sender for ``bootstrap``."""

from __future__ import annotations

from dataclasses import dataclass

from servicekit.background import BackgroundLoop, Heartbeats
from servicekit.outbound import SystemResolver, UrlRules
from storage_service.metadata.webhooks import WebhookDeliveries
from storage_service.outbound.client import GuardedClient, Timeouts
from storage_service.webhooks.metrics import WebhookMetrics
from storage_service.webhooks.sender import WebhookSender
from storage_service.webhooks.target import TargetClient


@dataclass(frozen=True, slots=True)
class WebhookPace:
    """Limits of sending, times in seconds.

    ``interval``: between two claims. ``seconds``: for one request; ``connect``: for its connection.
    ``parallel``: requests in flight.
    """

    enabled: bool
    interval: float
    seconds: float
    connect: float
    parallel: int


class Webhooks:
    """Sends if ``pace`` enables it. Run ``loops`` until ``aclose``."""

    def __init__(
        self,
        work: WebhookDeliveries,
        rules: UrlRules,
        pace: WebhookPace,
        heartbeats: Heartbeats,
        metrics: WebhookMetrics,
    ) -> None:
        timeouts = Timeouts(min(pace.connect, pace.seconds), pace.seconds)
        targets = TargetClient(rules, GuardedClient(SystemResolver(), timeouts), pace.seconds)
        self._sender: WebhookSender | None = None
        if pace.enabled:
            self._sender = WebhookSender(
                work,
                targets,
                heartbeats.add("webhooks", pace.interval),
                metrics,
                parallel=pace.parallel,
                seconds=pace.seconds,
                interval_seconds=pace.interval,
            )

    @property
    def loops(self) -> tuple[BackgroundLoop, ...]:
        """The sender's loop; none if other processes send."""
        return (self._sender.loop,) if self._sender is not None else ()

    async def aclose(self) -> None:
        """Let deliveries in flight finish."""
        if self._sender is not None:
            await self._sender.aclose()
