"""Rows left for background work link to the request that created them, if it is traced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from servicekit.context import RequestContext, bind
from servicekit.telemetry import tracing
from servicekit.telemetry.otel import OtelRecorder
from strongroom.metadata.v1 import blob_pb2
from tests.integration.metadata_service.world import World, handle

#: Trace contexts of three requests; the last one is not sampled.
FIRST: Final = f"00-{'1' * 32}-{'a' * 16}-01"
SECOND: Final = f"00-{'2' * 32}-{'b' * 16}-01"
UNSAMPLED: Final = f"00-{'3' * 32}-{'c' * 16}-00"


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Turns tracing on."""
    with ExitStack() as stack:
        recorder = OtelRecorder("metadata_service", InMemorySpanExporter())
        stack.callback(recorder.close)
        monkeypatch.setitem(tracing._recorders, "metadata_service", recorder)
        yield


def kept(world: World, owner: str) -> set[str | None]:
    """The trace contexts of the owner's blobs and events."""
    rows = world.logins.rows(
        "SELECT traceparent FROM blobs WHERE owner_id = %s"
        " UNION ALL SELECT traceparent FROM events WHERE owner_id = %s",
        owner,
        owner,
    )
    assert rows
    return {row[0] for row in rows}


async def upload(world: World, owner: str, traceparent: str) -> blob_pb2.Blob:
    with bind(RequestContext("r", traceparent=traceparent)):
        blob = await world.attempt(owner)
        await world.commit(blob)
        return blob


@pytest.mark.usefixtures("traces")
async def test_each_of_a_group_keeps_its_own(world: World, owner: str) -> None:
    owners = {f"{owner}-{n}": trace for n, trace in enumerate((FIRST, SECOND, UNSAMPLED, "", FIRST))}
    await asyncio.gather(*(upload(world, name, trace) for name, trace in owners.items()))
    assert world.groups is not None
    assert world.groups._committing.members == len(owners)
    found = {name: kept(world, name) for name in owners}
    assert found == {name: {trace if trace in {FIRST, SECOND} else None} for name, trace in owners.items()}


@pytest.mark.usefixtures("traces")
async def test_the_last_request_counts(own_world: World, owner: str) -> None:
    world = own_world.but(read_grace=0.0)
    stored = await upload(world, owner, FIRST)
    with bind(RequestContext("r", traceparent=UNSAMPLED)):
        given_up = await world.attempt(owner)
    with bind(RequestContext("r", traceparent=SECOND)):
        await world.delete(owner, await world.queries.by_key(owner, stored.key))
        await world.attempts.abandon(handle(given_up))
    claimed, _ = await world.cleaning.claim(10)
    assert {str(blob.id): blob.to_proto().traceparent for blob in claimed} == {
        stored.id: SECOND,
        given_up.id: SECOND,
    }


@pytest.mark.usefixtures("traces")
async def test_what_falls_silent_is_its_first_requests(own_world: World, owner: str) -> None:
    with bind(RequestContext("r", traceparent=FIRST)):
        silent = await own_world.attempt(owner)
    own_world.run_out(silent)
    (claimed,), _ = await own_world.cleaning.claim(10)
    assert claimed.to_proto().traceparent == FIRST


async def test_nothing_is_kept_while_traces_are_off(world: World, owner: str) -> None:
    blob = await upload(world, owner, FIRST)
    with bind(RequestContext("r", traceparent=FIRST)):
        await world.delete(owner, await world.queries.by_key(owner, blob.key))
    assert kept(world, owner) == {None}
