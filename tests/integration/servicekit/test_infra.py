"""Health, reflection and channelz, as seen by tools."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from grpc import aio
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc  # type: ignore[import-untyped]
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2  # type: ignore[import-untyped]

from servicekit.probes import REASON, Probe
from servicekit.serving.server import ServerSpec, serve_in_process
from strongroom.storage.v1 import storage_service_pb2_grpc
from strongroom.storage.v1.storage_service_pb2 import DESCRIPTOR
from strongroom.version import PROTOCOL, VERSION, Build, build_of
from tests.integration.servicekit.echo import bearer, settings

STORAGE = "strongroom.storage.v1.StorageService"


def add_storage(server: aio.Server) -> Sequence[str]:
    storage_service_pb2_grpc.add_StorageServiceServicer_to_server(
        storage_service_pb2_grpc.StorageServiceServicer(), server
    )
    return [STORAGE]


def spec(bind: str = "127.0.0.1:0") -> ServerSpec:
    return ServerSpec("storage_service", bind, add_storage)


async def buf(*arguments: str) -> tuple[int, str, str]:
    found = shutil.which("buf", path=str(Path(sys.executable).parent))
    assert found, "buf comes with the dev requirements"
    process = await asyncio.create_subprocess_exec(
        found, "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def test_buf_curl_checks_health_through_reflection() -> None:
    async with serve_in_process(spec(), settings()) as address:
        code, out, err = await buf("--reflect", f"http://{address}/grpc.health.v1.Health/Check")
        assert (code, err) == (0, "")
        assert json.loads(out) == {"status": "SERVING"}
        named = '{"service": "strongroom.storage.v1.StorageService"}'
        code, out, _ = await buf("-d", named, f"http://{address}/grpc.health.v1.Health/Check")
        assert (code, json.loads(out)) == (0, {"status": "SERVING"})


@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
async def test_both_reflection_versions_describe_our_services(version: str) -> None:
    async with serve_in_process(spec(), settings()) as address:
        url = f"http://{address}"
        code, out, err = await buf("--reflect-protocol", version, "--list-services", url)
        assert code == 0, err
        assert set(out.split()) >= {STORAGE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"}
        method = f"{url}/{STORAGE}/GetUpload"
        code, out, err = await buf("--reflect-protocol", version, "-d", '{"uploadId": "u"}', method)
        assert code != 0
        assert "TOKEN_MISSING" in err or "No token was sent" in err


async def list_services(address: str, version: str) -> list[str]:
    async with aio.insecure_channel(address) as channel:
        call = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        return [one.name async for answer in call for one in answer.list_services_response.service]


async def test_reflection_lists_the_same_in_both_versions() -> None:
    async with serve_in_process(spec(), settings()) as address:
        assert await list_services(address, "v1") == await list_services(address, "v1alpha")
        assert STORAGE in await list_services(address, "v1")


async def test_health_knows_each_service_and_no_others() -> None:
    async with (
        serve_in_process(spec(), settings()) as address,
        aio.insecure_channel(address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", STORAGE):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(aio.AioRpcError, match="NOT_FOUND"):
            await stub.Check(health_pb2.HealthCheckRequest(service="strongroom.other.v1.Service"))


async def test_health_reports_dependencies_by_name() -> None:
    async def down() -> bool:
        return False

    async def broken() -> bool:
        raise OSError("no route")

    async def up() -> bool:
        return True

    async def unversioned() -> str:
        return "off"

    probes: dict[str, Probe] = {
        "test.up": up,
        "test.down": down,
        "test.broken": broken,
        "test.versions": unversioned,
    }
    watched = ServerSpec("storage_service", "127.0.0.1:0", add_storage, probes=probes)
    async with (
        serve_in_process(watched, settings()) as address,
        aio.insecure_channel(address) as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        calls = [stub.Check(health_pb2.HealthCheckRequest(service=name)) for name in ("", *probes)]
        answers = await asyncio.gather(*calls)
        reasons = [dict(await call.trailing_metadata()).get(REASON) for call in calls]
    assert reasons == [None, None, None, None, "off"]
    states = health_pb2.HealthCheckResponse
    assert [answer.status for answer in answers] == [
        states.SERVING, states.SERVING, states.NOT_SERVING, states.NOT_SERVING,
        states.NOT_SERVING,
    ]  # fmt: skip


async def test_health_says_which_build_the_process_is() -> None:
    built = settings(commit="4777bc1")
    async with serve_in_process(spec(), built) as address, aio.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        calls = [stub.Check(health_pb2.HealthCheckRequest(service=name)) for name in ("", STORAGE)]
        await asyncio.gather(*calls)
        told = [build_of(dict(await call.trailing_metadata())) for call in calls]
    assert told == [Build(VERSION, "4777bc1", PROTOCOL), None]


async def servers_by_channelz(address: str) -> int:
    async with aio.insecure_channel(address) as channel:
        stub = channelz_pb2_grpc.ChannelzStub(channel)
        return len((await stub.GetServers(channelz_pb2.GetServersRequest())).server)


async def test_channelz_on_loopback_only_or_for_debugging() -> None:
    async with serve_in_process(spec(), settings()) as address:
        assert await servers_by_channelz(address) >= 1
    everywhere = spec("0.0.0.0:0")
    async with serve_in_process(everywhere, settings(allow_plaintext=True)) as address:
        with pytest.raises(aio.AioRpcError, match="UNIMPLEMENTED"):
            await servers_by_channelz(address.replace("0.0.0.0", "127.0.0.1"))
    async with serve_in_process(everywhere, settings(allow_plaintext=True, debug=True)) as address:
        assert await servers_by_channelz(address.replace("0.0.0.0", "127.0.0.1")) >= 1


@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
async def test_every_method_is_listed(version: str) -> None:
    async with serve_in_process(spec(), settings()) as address:
        code, out, err = await buf("--reflect-protocol", version, "--list-methods", f"http://{address}")
    assert (code, err) == (0, "")
    methods = DESCRIPTOR.services_by_name["StorageService"].methods
    assert {f"{STORAGE}/{method.name}" for method in methods} <= set(out.split())


@pytest.mark.parametrize(
    ("changes", "bind", "without", "with_token"),
    [
        ({}, "127.0.0.1:0", True, True),
        ({"reflection": "token"}, "127.0.0.1:0", False, True),
        ({"reflection": "off"}, "127.0.0.1:0", False, False),
        ({"allow_plaintext": True}, "0.0.0.0:0", False, True),
        ({"allow_plaintext": True, "reflection": "open"}, "0.0.0.0:0", True, True),
    ],
)
async def test_who_may_read_the_contract(
    changes: dict[str, Any], bind: str, *, without: bool, with_token: bool
) -> None:
    async with serve_in_process(spec(bind), settings(**changes)) as address:
        url = f"http://127.0.0.1:{address.rpartition(':')[2]}"
        code, _, _ = await buf("--list-methods", url)
        assert (code == 0) is without
        named = f"{bearer()[0][0]}: {bearer()[0][1]}"
        code, _, err = await buf("--reflect-header", named, "--list-methods", url)
        assert (code == 0) is with_token, err


async def test_no_task_waits_for_each_method_of_a_service() -> None:
    async with serve_in_process(spec(), settings()) as address, aio.insecure_channel(address) as channel:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        waiting = [task for task in asyncio.all_tasks() if "_request_registered_call" in repr(task)]
    assert len(waiting) < len(DESCRIPTOR.services_by_name["StorageService"].methods)  # health's and others
