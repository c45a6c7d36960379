"""Spans of RPCs, their configuration, and an unreachable collector."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest
from grpc import aio
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from servicekit import context
from servicekit.context import RequestContext, bind
from servicekit.serving.server import started_server
from servicekit.telemetry import tracing
from servicekit.telemetry.otel import OtelRecorder
from strongroom.errors import FileNotFound
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadResponse
from tests.doubles.otlp_collector import collecting
from tests.integration.servicekit.echo import Echo, EchoStub, bearer, failure, settings
from tests.integration.servicekit.processes import ServerProcess
from tests.stack import until

ONE: Final = GetUploadRequest(upload_id="abc")
TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
PARENT: Final = f"00-{TRACE}-b7ad6b7169203331-01"


async def test_spans_continue_the_callers_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing, "service_name", lambda: "echo")
    tracing.install("echo", OtelRecorder("echo", exporter))
    seen = []

    async def unary(request: Any, _: Any) -> UploadResponse:
        seen.append(context.outgoing_metadata(None))
        raise FileNotFound("no")

    async with (
        started_server(Echo(unary=unary).spec(), settings()) as server,
        aio.insecure_channel(server.address) as channel,
    ):
        metadata = (*bearer(), ("traceparent", PARENT))
        await failure(EchoStub(channel).unary(ONE, metadata=metadata))
    await tracing.uninstall("echo")
    (span,) = exporter.get_finished_spans()
    assert span.name == "strongroom.test.v1.EchoService/Unary"
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    attributes = dict(span.attributes or {})
    assert attributes["rpc.grpc.status_code"] == 5
    assert attributes["strongroom.reason"] == "FILE_NOT_FOUND"
    assert dict(seen[0])["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4317"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
    ],
)
def test_the_standard_variables_decide(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: bool
) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert tracing.wanted() is expected


def test_background_work_is_a_trace_of_its_own_with_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    recorder = OtelRecorder("storage_service", exporter)
    monkeypatch.setattr(tracing, "service_name", lambda: "storage_service")
    monkeypatch.setitem(tracing._recorders, "storage_service", recorder)
    with bind(RequestContext("r", traceparent=PARENT)):
        with pytest.raises(OSError, match="gone"):
            _cleaned()
        assert dict(context.outgoing_metadata(None))["traceparent"] == PARENT
    recorder.close()
    below, work = exporter.get_finished_spans()
    assert work.context is not None
    assert below.parent is not None
    assert below.parent.span_id == work.context.span_id
    assert work.parent is None
    assert [f"{link.context.trace_id:032x}" for link in work.links] == [TRACE]
    assert work.context.trace_id != int(TRACE, 16)
    assert not work.status.is_ok
    assert not below.status.is_ok


def _cleaned() -> None:
    with tracing.work("clean", {"n": 1}, links=(PARENT, "")):
        call = tracing.begin_call("S3 DeleteObject", {})
        assert call is not None
        call.end({}, error="store_timeout")
        raise OSError("gone")


def test_off_it_makes_nothing_and_loads_nothing() -> None:
    request = RequestContext("r", traceparent=PARENT)
    with bind(request), tracing.work("clean", {}):
        assert context.current() is request
        assert tracing.begin_request(request, "x", {}) is None
        assert tracing.begin_call("x", {}) is None
    program = "import sys, servicekit.serving.server as s; print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


async def test_spans_reach_the_collector_sampled_as_told(tmp_path: Path) -> None:
    with collecting() as collector:
        env = {
            **collector.env,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
        }
        with ServerProcess(tmp_path / "log", **env) as server:
            async with aio.insecure_channel(server.address) as channel:
                stub = EchoStub(channel)
                await stub.unary(ONE, metadata=bearer())
                await stub.unary(ONE, metadata=(*bearer(), ("traceparent", PARENT)))
                await stub.unary(ONE, metadata=(*bearer(), ("traceparent", PARENT[:-1] + "0")))
            server.signal()
            assert await asyncio.to_thread(server.ended) == 0
    (span,) = collector.spans()
    assert (span.service, span.trace, span.parent) == ("echo", TRACE, "b7ad6b7169203331")
    rpcs = [line for line in _lines(tmp_path / "log") if line["event"] == "rpc"]
    assert rpcs[1]["trace_id"] == TRACE


async def test_a_collector_that_is_away_is_one_line_and_holds_nobody_up(tmp_path: Path) -> None:
    log = tmp_path / "log"
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    with ServerProcess(log, **env) as server:
        async with aio.insecure_channel(server.address) as channel:
            stub = EchoStub(channel)

            async def lost() -> bool:
                await stub.unary(ONE, metadata=bearer())
                return "traces_lost" in log.read_text()

            await until_async(lost)
            for _ in range(3):
                await stub.unary(ONE, metadata=bearer())
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.ended) == 0
        assert time.monotonic() - began < 20
    others = [line for line in _lines(log) if line["event"] not in ("rpc", "draining")]
    assert [line["event"] for line in others] == ["traces_lost"]
    assert others[0]["level"] == "warning"


async def test_a_collector_that_comes_back_is_told_of(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with collecting() as first:
        env, port = first.env, int(first.address.rpartition(":")[2])
    with ServerProcess(log, **env, OTEL_EXPORTER_OTLP_TIMEOUT="1") as server:
        async with aio.insecure_channel(server.address) as channel:
            stub = EchoStub(channel)
            await stub.unary(ONE, metadata=bearer())
            await asyncio.to_thread(until, "it is told", lambda: "traces_lost" in log.read_text())
            with collecting(port) as collector:

                async def taken() -> bool:
                    await stub.unary(ONE, metadata=bearer())
                    return bool(collector.spans())

                await until_async(taken)
                await asyncio.to_thread(until, "it is told", lambda: "taken_again" in log.read_text())


async def until_async(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 - what is asked for is in another process
            await asyncio.sleep(0.05)


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]
