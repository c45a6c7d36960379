"""What waits to be sent, for metrics: statements that stop after so many rows, and what they show."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric

from metadata_service.webhooks.rows import ACTIVE, DEAD, DISABLED, PAUSED, PENDING

_MOST: Final = 10_000
_STATES: Final = {ACTIVE: "active", PAUSED: "paused", DISABLED: "disabled"}


def _count(state: int) -> str:
    return (
        f"(SELECT count(*) FROM (SELECT FROM webhook_deliveries WHERE state = {state} LIMIT {_MOST}) AS rows)"
    )


# Due in earnest: the target is well, and nothing earlier of its subject waits.
WAITING: Final = f"""
SELECT {_count(PENDING)}, {_count(DEAD)}, coalesce((
    SELECT extract(epoch FROM max(now() - next_at)) FROM (
        SELECT deliveries.next_at FROM webhook_deliveries AS deliveries
        JOIN webhooks ON webhooks.owner_id = deliveries.owner_id AND webhooks.id = deliveries.webhook_id
        WHERE deliveries.state = {PENDING} AND deliveries.next_at <= now()
            AND (deliveries.lease_until IS NULL OR deliveries.lease_until <= now())
            AND webhooks.state = {ACTIVE} AND webhooks.failures = 0
            AND (webhooks.not_before IS NULL OR webhooks.not_before <= now())
            AND NOT EXISTS (
                SELECT FROM webhook_deliveries AS earlier
                WHERE earlier.owner_id = deliveries.owner_id AND earlier.webhook_id = deliveries.webhook_id
                    AND earlier.subject_id = deliveries.subject_id AND earlier.state = {PENDING}
                    AND (earlier.xid, earlier.event_id) < (deliveries.xid, deliveries.event_id)
            )
        LIMIT {_MOST}
    ) AS due), 0)::float8
"""
COUNTS: Final = "SELECT state, count(*) FROM webhooks GROUP BY state"


def families(waiting: tuple[Any, ...], counts: Iterable[tuple[Any, ...]]) -> Iterable[Metric]:
    """Of the answers to WAITING and COUNTS."""
    pending, dead, oldest = waiting
    rows = GaugeMetricFamily(
        "strongroom_webhook_waiting", "Deliveries that wait, and dead letters.", labels=("state",)
    )
    rows.add_metric(("pending",), pending)
    rows.add_metric(("dead",), dead)
    yield rows
    yield GaugeMetricFamily(
        "strongroom_webhook_due_oldest_seconds",
        "For how long the oldest delivery to a target that is well has been due.",
        value=max(0.0, oldest),
    )
    webhooks = GaugeMetricFamily("strongroom_webhooks", "Webhooks.", labels=("state",))
    found = dict(counts)
    for state, name in _STATES.items():
        webhooks.add_metric((name,), found.get(state, 0))
    yield webhooks
