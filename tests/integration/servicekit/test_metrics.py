"""Prometheus metrics of real calls, and traces if a collector is configured."""

from __future__ import annotations

import asyncio
import io
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from grpc import aio
from prometheus_client.parser import text_string_to_metric_families

from servicekit import context
from servicekit.serving.server import started_server
from servicekit.settings import SettingError
from servicekit.telemetry import logs
from servicekit.telemetry.logs import Sink
from servicekit.telemetry.metrics_http import serve_metrics
from servicekit.telemetry.rpcs import Metrics
from strongroom.errors import FileNotFound
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadRequest, UploadResponse
from tests.integration.servicekit.conftest import Serving
from tests.integration.servicekit.echo import Echo, EchoStub, bearer, everything, failure, settings

ONE = GetUploadRequest(upload_id="abc")


def samples(metrics: Metrics, name: str, **labels: str) -> dict[tuple[str, ...], float]:
    """Values of one metric by (method, code or bound), for the given labels."""
    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            if sample.name == name and all(sample.labels.get(key) == value for key, value in labels.items()):
                rest = [
                    sample.labels[key] for key in ("grpc_method", "grpc_code", "le") if key in sample.labels
                ]
                found[tuple(rest)] = sample.value
    return found


async def test_calls_are_counted_by_method_and_status(serving: Serving) -> None:
    async def missing(request: Any, _: Any) -> UploadResponse:
        if request.upload_id == "x":
            raise FileNotFound("no")
        return UploadResponse(persisted_size=1)

    metrics = Metrics()
    async with serving(Echo(unary=missing), metrics=metrics) as stub:
        await stub.unary(ONE, metadata=bearer())
        await failure(stub.unary(GetUploadRequest(upload_id="x"), metadata=bearer()))
        await failure(stub.unary(ONE))
        await everything(stub.bidi(iter([UploadRequest(data=bytes(1000))] * 3), metadata=bearer()))
    assert samples(metrics, "grpc_server_handled_total") == {
        ("Unary", "OK"): 1.0,
        ("Unary", "NOT_FOUND"): 1.0,
        ("Unary", "UNAUTHENTICATED"): 1.0,
        ("Bidi", "OK"): 1.0,
    }
    kinds = samples(metrics, "grpc_server_handled_total", grpc_type="bidi_stream")
    assert kinds == {("Bidi", "OK"): 1.0}
    assert samples(metrics, "grpc_server_handling_seconds_count") == {("Unary",): 3.0, ("Bidi",): 1.0}
    assert samples(metrics, "grpc_server_handling_seconds_bucket", le="+Inf")[("Unary", "+Inf")] == 3.0
    assert samples(metrics, "grpc_server_in_flight") == {("Unary",): 0.0, ("Bidi",): 0.0}
    assert samples(metrics, "grpc_server_received_bytes_total")[("Bidi",)] > 3000
    text = metrics.render().decode()
    assert 'grpc_server_problems_total{reason="FILE_NOT_FOUND"} 1.0' in text
    assert 'grpc_server_problems_total{reason="TOKEN_MISSING"} 1.0' in text
    assert text.count("grpc_server_problems_total{") == 2


async def test_made_up_methods_make_no_series_of_their_own() -> None:
    metrics = Metrics()
    async with (
        started_server(Echo().spec(), settings(), metrics=metrics) as server,
        aio.insecure_channel(server.address) as channel,
    ):
        await EchoStub(channel).unary(ONE, metadata=bearer())
        before = metrics.render().decode().count("\ngrpc_server_")
        for path in ("/a.B/C", "/strongroom.test.v1.EchoService/Other", "/x", '/a.B/C"} 1', "/" + "y" * 2000):
            call: Any = channel.unary_unary(path)
            with pytest.raises(aio.AioRpcError):
                await call(b"", metadata=bearer())
        assert metrics.render().decode().count("\ngrpc_server_") == before


async def test_a_line_says_bytes_reason_and_file(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(logs, "_current_sink", [Sink("echo", stream=stream)])

    async def about_a_file(request: Any, _: Any) -> UploadResponse:
        context.note_file("01a")
        raise FileNotFound("no")

    async with serving(Echo(unary=about_a_file)) as stub:
        await failure(stub.unary(ONE, metadata=bearer()))
        await everything(stub.bidi(iter([UploadRequest(data=bytes(1000))] * 3), metadata=bearer()))
    refused, streamed = [json.loads(line) for line in stream.getvalue().splitlines() if '"rpc"' in line]
    assert (refused["reason"], refused["file_id"]) == ("FILE_NOT_FOUND", "01a")
    assert refused["received"] == ONE.ByteSize()
    assert streamed["received"] > 3000
    assert streamed["sent"] > 0
    assert "reason" not in streamed


async def test_calls_in_flight(serving: Serving) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def waits(request: Any, _: Any) -> UploadResponse:
        started.set()
        await go_on.wait()
        return UploadResponse()

    metrics = Metrics()
    async with serving(Echo(unary=waits), metrics=metrics) as stub:
        call = asyncio.ensure_future(stub.unary(ONE, metadata=bearer()))
        await started.wait()
        assert samples(metrics, "grpc_server_in_flight") == {("Unary",): 1.0}
        call.cancel()
        go_on.set()


def get(url: str, method: str = "GET") -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


async def test_the_metrics_port_answers_metrics_only() -> None:
    async with serve_metrics("127.0.0.1:0", Metrics()) as address:
        url = f"http://{address}"
        status, body = await asyncio.to_thread(get, f"{url}/metrics")
        assert (status, b"process_cpu_seconds_total" in body) == (200, True)
        assert (await asyncio.to_thread(get, f"{url}/metrics", "HEAD")) == (200, b"")
        assert (await asyncio.to_thread(get, f"{url}/metrics", "POST"))[0] == 405
        assert (await asyncio.to_thread(get, f"{url}/etc/passwd"))[0] == 404


@pytest.mark.parametrize("sent", [b"", b"GET", b"x" * 20_000, b"\r\n\r\n", b"\xff\xfe\r\n\r\n"])
async def test_the_metrics_port_survives_nonsense(sent: bytes) -> None:
    async with serve_metrics("127.0.0.1:0", Metrics()) as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        assert answer == b"" or b" 404 " in answer
        assert (await asyncio.to_thread(get, f"http://{address}/metrics"))[0] == 200


async def test_a_taken_metrics_port_names_the_setting() -> None:
    async with serve_metrics("127.0.0.1:0", Metrics()) as address:
        with pytest.raises(SettingError, match="STRONGROOM_METRICS_BIND"):
            async with serve_metrics(address, Metrics()):
                pass
