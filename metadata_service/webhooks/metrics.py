"""Metrics of waiting deliveries. The statements stop after a number of rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric

from metadata_service.webhooks import due
from metadata_service.webhooks.rows import ACTIVE, DEAD, DISABLED, PAUSED, PENDING

_MOST: Final = 10_000
_LOOKED_AT: Final = 100
_STATES: Final = {ACTIVE: "active", PAUSED: "paused", DISABLED: "disabled"}


def _count(state: int) -> str:
    return (
        f"(SELECT count(*) FROM (SELECT FROM webhook_deliveries WHERE state = {state} LIMIT {_MOST}) AS rows)"
    )


# Deliveries that could be sent now: their target is well, and nothing earlier of the subject waits. Of each
# webhook the first few are read, as in claims.
WAITING: Final = f"""
SELECT {_count(PENDING)}, {_count(DEAD)}, coalesce((
    SELECT extract(epoch FROM max(now() - oldest.due_at)) FROM webhooks AS places CROSS JOIN LATERAL (
        SELECT due_at FROM (
            SELECT waiting.*, {due.WAITING_DUE} AS due_at FROM webhook_deliveries AS waiting
            WHERE waiting.owner_id = places.owner_id AND waiting.webhook_id = places.id
                AND {due.OF_EVENTS} AND {due.WAITING_DUE} <= now()
            ORDER BY {due.WAITING_DUE}, xid, event_id LIMIT {_LOOKED_AT}
        ) AS waiting
        WHERE (lease_until IS NULL OR lease_until <= now()) AND id = ({due.FIRST})
        ORDER BY due_at LIMIT 1
    ) AS oldest
    WHERE places.state = {ACTIVE} AND places.failures = 0
        AND (places.not_before IS NULL OR places.not_before <= now())
), 0)::float8
"""
COUNTS: Final = "SELECT state, count(*) FROM webhooks GROUP BY state"


def families(waiting: tuple[Any, ...], counts: Iterable[tuple[Any, ...]]) -> Iterable[Metric]:
    """Metrics from the results of WAITING and COUNTS."""
    pending, dead, oldest = waiting
    rows = GaugeMetricFamily(
        "strongroom_webhook_waiting",
        "Deliveries of webhooks that wait (pending), and dead letters (dead).",
        labels=("state",),
    )
    rows.add_metric(("pending",), pending)
    rows.add_metric(("dead",), dead)
    yield rows
    yield GaugeMetricFamily(
        "strongroom_webhook_due_oldest_seconds",
        "Seconds for which the oldest delivery to a healthy target has been due.",
        value=max(0.0, oldest),
    )
    webhooks = GaugeMetricFamily("strongroom_webhooks", "Webhooks, by state.", labels=("state",))
    found = dict(counts)
    for state, name in _STATES.items():
        webhooks.add_metric((name,), found.get(state, 0))
    yield webhooks
