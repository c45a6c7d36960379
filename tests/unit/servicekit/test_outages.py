"""An outage is logged once when it begins, and once when it ends."""

from __future__ import annotations

import structlog

from servicekit.outages import Outage


def test_each_kind_is_told_once_until_it_is_back() -> None:
    outage = Outage("failed", "again", task="t")
    with structlog.testing.capture_logs() as lines:
        outage.well()
        for kind in ("A", "A", "B", "A"):
            outage.failed(kind, error=kind)
        outage.well()
        outage.well()
        outage.failed("A", error="A")
    warned = {"log_level": "warning", "task": "t"}
    assert lines == [
        {"event": "failed", "error": "A", **warned},
        {"event": "failed", "error": "B", **warned},
        {"event": "again", "after": ["A", "B"], **warned},
        {"event": "failed", "error": "A", **warned},
    ]


def test_what_does_well_now_and_then_is_not_back() -> None:
    now = [0.0]
    outage = Outage("failed", "again", quiet_seconds=5.0, clock=lambda: now[0])
    with structlog.testing.capture_logs() as lines:
        for _ in range(10):
            outage.failed("A")
            outage.well()
            now[0] += 4.9
            outage.well()
        now[0] += 0.2
        outage.well()
    assert [line["event"] for line in lines] == ["failed", "again"]
