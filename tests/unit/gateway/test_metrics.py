"""Values invented by clients never become time series."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import Metrics


def series(metrics: Metrics, name: str) -> list[dict[str, str]]:
    text = metrics.render().decode()
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return [one.labels for one in samples if one.name == name]


@pytest.mark.parametrize(
    "made_up",
    ["PROPFIND", "M-SEARCH", "get", "GET ", "", "A" * 10_000, 'GET"} 1\nx 2', "\u00e9", "BREW"],
)
def test_a_method_of_ones_own_is_other(made_up: str) -> None:
    metrics = Metrics()
    for number in range(50):
        metrics.ended(f"{made_up}{number}" if number else made_up, "(none)", 404, 0.1)
    assert series(metrics, "http_requests_total") == [{"method": "other", "route": "(none)", "status": "404"}]


@pytest.mark.parametrize("status", [0, 99, 600, 1000, -1])
def test_a_status_that_is_none_is_other(status: int) -> None:
    metrics = Metrics()
    metrics.ended("GET", "/files/{id}", status, 0.1)
    assert [one["status"] for one in series(metrics, "http_requests_total")] == ["other"]


def test_problems_are_counted_by_their_code() -> None:
    metrics = Metrics()
    metrics.ended("POST", "/files", 429, 0.1, "RATE_LIMITED")
    metrics.ended("POST", "/files", 429, 0.1, "RATE_LIMITED")
    metrics.ended("POST", "/files", 201, 0.1)
    assert 'http_problems_total{reason="RATE_LIMITED"} 2.0' in metrics.render().decode()
    assert series(metrics, "http_problems_total") == [{"reason": "RATE_LIMITED"}]
