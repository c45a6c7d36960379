"""Every request to the store is counted by its result."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from storage_service.objectstore import errors
from storage_service.objectstore.s3 import calls
from storage_service.objectstore.s3.metrics import S3Calls, outcome_of
from storage_service.objectstore.s3.store import S3ObjectStore
from storage_service.objectstore.values import ObjectRef
from tests.unit.storage_service.objectstore.s3.scripted_server import (
    answer,
    failure,
    object_head,
    put_ok,
    reset,
)
from tests.unit.storage_service.objectstore.s3.scripted_store import BODY, put_body, scripted

REF = ObjectRef("key", "v1")


def values(metrics: S3Calls, name: str) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(metrics)
    text = generate_latest(registry).decode()
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return {tuple(sorted(one.labels.values())): one.value for one in samples if one.name == name}


def of(store: S3ObjectStore) -> S3Calls:
    return store._context.calls


async def test_tries_retries_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "BASE_DELAY", 0.001)
    async with scripted(failure(503, "SlowDown"), reset(), put_ok()) as (store, _):
        await put_body(store)
        found = values(of(store), "strongroom_s3_requests_total")
    assert found.pop(("2xx", "PutObject", "ok")) == 1
    assert found.pop(("503", "PutObject", "store_throttled")) == 1
    (broken,) = found
    assert broken[1] == "none"
    assert values(of(store), "strongroom_s3_retries_total") == {("PutObject",): 2}
    assert values(of(store), "strongroom_s3_request_duration_seconds_count") == {("PutObject",): 3}
    assert values(of(store), "strongroom_s3_sent_bytes_total") == {("PutObject",): len(BODY)}


async def test_what_is_read_is_counted() -> None:
    async with scripted(answer(200, b"12345", **object_head(5))) as (store, _), store.open(REF) as stream:
        assert b"".join([piece async for piece in stream]) == b"12345"
    assert values(of(store), "strongroom_s3_received_bytes_total") == {(): 5}
    assert values(of(store), "strongroom_s3_requests_total") == {("2xx", "GetObject", "ok"): 1}


async def test_an_object_that_is_not_there() -> None:
    async with scripted(answer(404)) as (store, _):
        with pytest.raises(errors.ObjectNotFound):
            await store.head(REF)
    assert values(of(store), "strongroom_s3_requests_total") == {("404", "HeadObject", "object_not_found"): 1}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (errors.StoreUnreachable(), "store_unreachable"),
        (errors.InsufficientStorage(), "insufficient_storage"),
        (errors.ClockSkewed(), "clock_skewed"),
        (asyncio.CancelledError(), "cancelled"),
        (ValueError("anything that a server has made up"), "bug"),
    ],
)
def test_outcomes_are_classes_of_errors(error: BaseException | None, outcome: str) -> None:
    assert outcome_of(error) == outcome


async def test_the_stores_clock() -> None:
    ahead = formatdate(time.time() + 600, usegmt=True)
    async with scripted(put_ok(Date=ahead)) as (store, _):
        await put_body(store)
    (offset,) = values(of(store), "strongroom_clock_offset_seconds").values()
    assert 595 <= offset <= 605


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Foo 2026 99:99:99 GMT", "\u00e9", "0" * 5000])
def test_a_date_that_is_none_changes_nothing(date: str) -> None:
    metrics = S3Calls()
    metrics.dated(date)
    assert values(metrics, "strongroom_clock_offset_seconds") == {}
