"""A real process: ready line, signals, drain, taken ports, wrong settings, metrics, failpoints."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadRequest
from tests.integration.servicekit.certificates import Authority
from tests.integration.servicekit.echo import SERVICE, EchoStub, bearer, failure
from tests.integration.servicekit.processes import LoneProcess, ServerProcess, finished


@contextlib.asynccontextmanager
async def client(address: str) -> AsyncIterator[tuple[EchoStub, aio.Channel]]:
    async with aio.insecure_channel(address) as channel:
        yield EchoStub(channel), channel


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signals_end_it_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    with ServerProcess(tmp_path / "log") as server:
        async with client(server.address) as (stub, _):
            assert (await stub.unary(GetUploadRequest(upload_id="u"), metadata=bearer())).persisted_size == 1
            server.signal(number)
            assert await asyncio.to_thread(server.ended) == 0
    assert server.lines == [
        "lifespan entered",
        f"echo listening on {server.address}",
        "lifespan left",
    ]


async def test_calls_in_progress_end_and_watchers_hear_not_serving(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "log", STRONGROOM_DRAIN_SECONDS="30") as server:
        async with client(server.address) as (stub, channel):
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE))
            heard = [(await watch.read()).status]
            slow = asyncio.ensure_future(
                stub.unary(GetUploadRequest(upload_id="sleep1.5"), metadata=bearer())
            )
            waits = asyncio.ensure_future(stub.unary(GetUploadRequest(upload_id="drain"), metadata=bearer()))
            await asyncio.sleep(0.5)
            server.signal()
            heard.append((await watch.read()).status)
            assert (await slow).persisted_size == (await waits).persisted_size == 1
            started = asyncio.get_running_loop().time()
            assert await asyncio.to_thread(server.ended) == 0
            watch.cancel()
    states = health_pb2.HealthCheckResponse
    assert heard == [states.SERVING, states.NOT_SERVING]
    # The open health watch did not delay it for the whole grace of 30 s.
    assert asyncio.get_running_loop().time() - started < 20


async def test_the_grace_ends(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "log", STRONGROOM_DRAIN_SECONDS="0.5") as server:
        async with client(server.address) as (stub, _):
            slow = asyncio.ensure_future(
                failure(stub.unary(GetUploadRequest(upload_id="sleep60"), metadata=bearer()))
            )
            await asyncio.sleep(0.5)
            server.signal()
            assert await asyncio.to_thread(server.ended) == 0
            assert (await slow).code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)


def test_a_taken_port_is_one_line_and_exit_1() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = finished(STRONGROOM_ECHO_BIND=address)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "listen" in line]
    (line,) = lines
    assert line.startswith(f"echo: can't listen on {address}; another process has the port")
    assert line.endswith("Stop it or change STRONGROOM_ECHO_BIND.")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_port_of_a_running_server_is_taken_too(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "log") as server:
        assert finished(STRONGROOM_ECHO_BIND=server.address).returncode == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRONGROOM_JWT_SECRET", "short"),
        ("DEBUG", "perhaps"),
        ("STRONGROOM_ECHO_BIND", "0.0.0.0:0"),
        ("STRONGROOM_ECHO_BIND", "50051"),
        ("STRONGROOM_TLS_CERT", "/nowhere/cert.pem"),
        ("STRONGROOM_METRICS_BIND", "nonsense"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_2(name: str, value: str) -> None:
    # The tests' echo service has a setting that no real service has.
    changes = {name: value, "STRONGROOM_UNKNOWN_SETTINGS": "ignore"}
    if name == "STRONGROOM_TLS_CERT":
        changes["STRONGROOM_TLS_KEY"] = "/nowhere/key.pem"
        name = "STRONGROOM_TLS_"
    done = finished(**changes)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"setting {name}")


async def test_plaintext_outside_of_loopback_when_said_so(tmp_path: Path) -> None:
    changes = {"STRONGROOM_ECHO_BIND": "0.0.0.0:0", "STRONGROOM_ALLOW_PLAINTEXT": "true"}
    with ServerProcess(tmp_path / "log", **changes) as server:
        async with client(server.address.replace("0.0.0.0", "127.0.0.1")) as (stub, _):
            reply = await stub.unary(GetUploadRequest(upload_id="u"), metadata=bearer())
    assert reply.persisted_size == 1


async def test_metrics_over_http(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ServerProcess(log, STRONGROOM_METRICS_BIND="127.0.0.1:0") as server:
        async with client(server.address) as (stub, _):
            await stub.unary(GetUploadRequest(upload_id="u"), metadata=bearer())
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        (url,) = [line["url"] for line in lines if line["event"] == "metrics"]
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=60).read().decode())
    expected = 'grpc_service="strongroom.test.v1.EchoService",grpc_type="unary"} 1.0'
    handled = [line for line in text.splitlines() if line.startswith("grpc_server_handled_total")]
    assert any('grpc_code="OK",grpc_method="Unary"' in line and expected in line for line in handled)
    assert "process_resident_memory_bytes" in text


async def test_probes_of_a_server_with_tls_ask_the_metrics_port(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path).issue("server")
    settings = {
        "STRONGROOM_TLS_CERT": str(certificate),
        "STRONGROOM_TLS_KEY": str(key),
        "STRONGROOM_METRICS_BIND": "127.0.0.1:0",
    }
    log = tmp_path / "log"
    with ServerProcess(log, **settings) as server:
        authority = grpc.ssl_channel_credentials((tmp_path / "ca.pem").read_bytes())
        async with aio.secure_channel(server.address, authority) as channel:
            lines = [json.loads(line) for line in log.read_text().splitlines()]
            (metrics,) = [line["url"] for line in lines if line["event"] == "metrics"]
            probe = metrics.replace("/metrics", "/healthz")
            assert await asyncio.to_thread(status_of, probe) == 200
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            held = EchoStub(channel).bidi(metadata=bearer())
            await held.write(UploadRequest(data=b"x"))
            await held.read()
            await watch.read()
            server.signal()
            await watch.read()  # NOT_SERVING
            assert await asyncio.to_thread(status_of, probe) == 503
            assert await asyncio.to_thread(status_of, probe.replace("healthz", "livez")) == 200
            assert await asyncio.to_thread(status_of, probe.replace("healthz", "readyz")) == 404
            await held.done_writing()
            assert await held.code() is grpc.StatusCode.OK


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def test_the_log_is_json_and_knows_caller_and_request(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ServerProcess(log) as server:
        async with client(server.address) as (stub, _):
            evil = 'al"ice\u2028'
            await failure(stub.unary(GetUploadRequest(upload_id="u"), metadata=bearer(evil)))
            await stub.unary(GetUploadRequest(upload_id="u"), metadata=bearer('al"ice'))
        server.signal()
        await asyncio.to_thread(server.ended)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    rpcs = [line for line in lines if line["event"] == "rpc"]
    assert [line["code"] for line in rpcs] == ["UNAUTHENTICATED", "OK"]
    last = rpcs[-1]
    assert (last["service"], last["user"], last["request_id"]) == ("echo", 'al"ice', "req-1")
    assert last["method"] == "/strongroom.test.v1.EchoService/Unary"
    assert "eyJ" not in log.read_text()


async def test_a_failpoint_kills_the_process_in_the_middle_of_a_call(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "log", STRONGROOM_FAILPOINTS="echo.unary=kill@2") as server:
        async with client(server.address) as (stub, _):
            await stub.unary(GetUploadRequest(upload_id="u"), metadata=bearer())
            failed = await failure(stub.unary(GetUploadRequest(upload_id="u"), metadata=bearer()))
            assert failed.code() is grpc.StatusCode.UNAVAILABLE
            assert await asyncio.to_thread(server.ended) == -signal.SIGKILL


async def test_a_failpoint_of_another_process_is_only_a_warning(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with LoneProcess(log, STRONGROOM_FAILPOINTS="storage.after_put=kill") as server:
        async with client(server.address) as (stub, _):
            await stub.unary(GetUploadRequest(upload_id="u"), metadata=bearer())
    assert "no failpoint 'storage.after_put' in this process" in log.read_text()


@pytest.mark.parametrize(
    ("fails_with", "said"),
    [
        ("DATABASE_UNAVAILABLE", ("the process can't go on", "DATABASE_UNAVAILABLE")),
        ("bug", ("the process failed", "postgresql://***@db")),
    ],
)
def test_a_start_that_fails_is_one_line_and_exit_1(fails_with: str, said: tuple[str, str]) -> None:
    done = finished(FAIL_AT_START=fails_with)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["event"] == said[0]
    assert said[1] in line
    assert "hunter2" not in line
    assert "listening" not in done.stdout
