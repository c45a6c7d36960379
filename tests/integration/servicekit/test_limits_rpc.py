"""Caps and rates of gRPC servers: RESOURCE_EXHAUSTED with RetryInfo; Strongroom's own calls don't count."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import aio
from pydantic import SecretStr

from servicekit.auth.credentials import GatewayCredential, InternalCredential
from servicekit.interceptors.door import EXPORTING, OPEN, SESSIONS, ZIPS
from servicekit.limits import CapSettings
from servicekit.serving.server import serve_in_process
from servicekit.telemetry.rpcs import Metrics
from strongroom.errors import RateLimited, StrongroomError, from_rpc_error
from strongroom.metadata.v1.file_pb2 import GENERATION_TYPE_TEXT_TO_IMAGE
from strongroom.storage.v1.batch_pb2 import BatchImportRequest, BatchImportResponse
from strongroom.storage.v1.direct_pb2 import ImportFromUrlRequest
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadResponse
from tests.integration.servicekit.echo import INTERNAL_SECRET, Echo, EchoStub, bearer, settings, token

ONE = GetUploadRequest(upload_id="u")
GATEWAY_SECRET = "a third secret of thirty-two bytes"


async def wait(request: GetUploadRequest, context: Any) -> AsyncIterator[UploadResponse]:
    yield UploadResponse()
    await asyncio.Event().wait()


async def outcomes(call: Any, times: int, metadata: Any) -> list[str]:
    """The results of this many calls, one after another."""
    return [await outcome(call, metadata) for _ in range(times)]


async def outcome(call: Any, metadata: Any) -> str:
    try:
        await call(ONE, metadata=metadata)
    except aio.AioRpcError as error:
        reported = from_rpc_error(error)
        if reported.retry_after and error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            return f"{error.code()} with RetryInfo"
        if isinstance(reported, RateLimited) and not reported.retry_after:
            return "RATE_LIMITED without RetryInfo"
        return reported.reason_name
    return "OK"


def serving(metrics: Metrics | None = None, **limits: Any) -> Any:
    caps = CapSettings(gateway_secret=SecretStr(GATEWAY_SECRET), **limits)
    return serve_in_process(Echo().spec(limits=caps), settings(), metrics=metrics)


async def test_requests_of_one_user() -> None:
    metrics = Metrics()
    limits: dict[str, Any] = {"user_requests_per_second": 0.01, "user_requests_burst": 3}
    async with serving(metrics, **limits) as address, aio.insecure_channel(address) as channel:
        call = EchoStub(channel).unary
        assert await outcomes(call, 5, bearer()) == ["OK"] * 3 + ["RATE_LIMITED"] * 2
        assert await outcomes(call, 2, bearer("bob")) == ["OK"] * 2
    assert 'limit_refusals_total{limit="user_requests"} 2.0' in metrics.render().decode()


async def test_calls_of_strongroom_are_not_counted_again() -> None:
    limits: dict[str, Any] = {
        "user_requests_per_second": 0.01,
        "user_requests_burst": 1,
        "address_requests_burst": 1,
    }
    async with serving(None, **limits) as address, aio.insecure_channel(address) as channel:
        call = EchoStub(channel).unary
        gateway = (*bearer(), ("x-strongroom-gateway", GatewayCredential(GATEWAY_SECRET).mint()))
        service = (*bearer(), ("x-strongroom-internal", InternalCredential(INTERNAL_SECRET).mint()))
        assert await outcomes(call, 5, gateway) == ["OK"] * 5
        assert await outcomes(call, 5, service) == ["OK"] * 5
        for forged in ("", "x", "1.x", GatewayCredential("another secret of 32 bytes......").mint()):
            proof = (*bearer(f"user-{len(forged)}"), ("x-strongroom-gateway", forged))
            assert await outcomes(call, 2, proof) == ["OK", "RATE_LIMITED"]


BAD = {
    "nonsense": "Bearer x",
    "basic": "Basic eA==",
    "expired": f"Bearer {token(exp=1_000_000_000)}",
    "other key": f"Bearer {token()[:-6]}AAAAAA",
    "no sub": f"Bearer {token(sub='')}",
}


@pytest.mark.parametrize("kind", BAD)
async def test_failed_sign_ins(kind: str) -> None:
    bad = (("authorization", BAD[kind]),)
    async with serving(failed_sign_ins_per_minute=3) as address, aio.insecure_channel(address) as channel:
        call = EchoStub(channel).unary
        found = await outcomes(call, 4, bad)
        assert set(found[:2]) <= {"TOKEN_INVALID", "TOKEN_EXPIRED"}
        assert found[2:] == ["RATE_LIMITED"] * 2
        assert await outcomes(call, 1, bearer()) == ["OK"]
        behind = (*bad, ("x-strongroom-gateway", GatewayCredential(GATEWAY_SECRET).mint()))
        assert await outcomes(call, 1, behind) == found[:1]  # the gateway counts by the client's address


@pytest.mark.parametrize("ahead", [3600, -3600])
async def test_by_a_wrong_clock_no_token_is_refused(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway admitted it an hour ago, or an hour from now: the user is not told that the token is
    invalid.
    """
    now = time.time()
    sent, told = bearer(iat=int(now)), GatewayCredential(GATEWAY_SECRET).mint()
    forged = GatewayCredential("another secret of 32 bytes......").mint()
    async with serving() as address, aio.insecure_channel(address) as channel:
        call = EchoStub(channel).unary
        monkeypatch.setattr(time, "time", lambda: now + 2 * ahead)
        assert await outcomes(call, 1, (*sent, ("x-strongroom-gateway", told))) == [
            "StatusCode.UNAVAILABLE with RetryInfo"
        ]
        behind = (*sent, ("x-strongroom-gateway", forged))
        expected = "TOKEN_EXPIRED" if ahead > 0 else "TOKEN_INVALID"
        assert await outcomes(call, 1, behind) == await outcomes(call, 1, sent) == [expected]


async def test_calls_without_a_token() -> None:
    limits: dict[str, Any] = {"address_requests_per_second": 0.01, "address_requests_burst": 2}
    async with serving(None, **limits) as address, aio.insecure_channel(address) as channel:
        found = await outcomes(EchoStub(channel).unary, 4, ())
        assert found == ["TOKEN_MISSING"] * 2 + ["RATE_LIMITED"] * 2


@pytest.mark.parametrize(
    ("path", "limit"),
    [*sorted(OPEN.items()), *((path, "user_archives") for path in sorted(ZIPS)), (EXPORTING, "user_exports")],
)
async def test_what_is_open_at_once(path: str, limit: str) -> None:
    service, method = path.strip("/").split("/")
    echo = Echo(server_stream=wait, services=())

    def add(server: aio.Server) -> list[str]:
        handler = grpc.unary_stream_rpc_method_handler(
            wait, GetUploadRequest.FromString, UploadResponse.SerializeToString
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        return []

    caps = CapSettings(**{"user_exports": 2, limit: 2})  # type: ignore[arg-type]
    spec = echo.spec(limits=caps, add_services=add)
    async with serve_in_process(spec, settings()) as address, aio.insecure_channel(address) as channel:
        begin = channel.unary_stream(
            path,
            request_serializer=GetUploadRequest.SerializeToString,
            response_deserializer=UploadResponse.FromString,
        )
        running = [begin(ONE, metadata=bearer()) for _ in range(2)]
        for one in running:
            assert await one.read() is not aio.EOF
        assert await refusal(begin, "alice") == limit
        others = begin(ONE, metadata=bearer("bob"))
        assert await others.read() is not aio.EOF
        running[0].cancel()
        async with asyncio.timeout(60):
            while (again := await refusal(begin, "alice")) is not None:
                assert again == limit


async def test_each_import_of_a_batch_is_one() -> None:
    path = "/strongroom.storage.v1.StorageService/BatchImport"
    service, method = path.strip("/").split("/")

    async def import_all(request: BatchImportRequest, context: Any) -> BatchImportResponse:
        return BatchImportResponse()

    def add(server: aio.Server) -> list[str]:
        handler = grpc.unary_unary_rpc_method_handler(
            import_all, BatchImportRequest.FromString, BatchImportResponse.SerializeToString
        )
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        return []

    item = ImportFromUrlRequest(url="https://example.com/a.png")
    item.spec.target.generation.type = GENERATION_TYPE_TEXT_TO_IMAGE
    raw = [BatchImportRequest(items=[item] * count).SerializeToString() for count in range(7)]
    spec = Echo(services=()).spec(limits=CapSettings(user_imports_per_minute=5), add_services=add)
    async with serve_in_process(spec, settings()) as address, aio.insecure_channel(address) as channel:
        call: Any = channel.unary_unary(path)

        async def sent(request: bytes, sub: str = "alice") -> str:
            try:
                await call(request, metadata=bearer(sub))
            except aio.AioRpcError as error:
                return from_rpc_error(error).reason_name
            return "OK"

        assert [await sent(raw[count]) for count in (3, 3, 2, 1)] == [
            "OK",
            "RATE_LIMITED",
            "OK",
            "RATE_LIMITED",
        ]
        assert [await sent(raw[count], "bob") for count in (6, 1)] == ["OK", "RATE_LIMITED"]
        assert await sent(b"\xff", "carol") == "MALFORMED_REQUEST"


async def refusal(begin: Any, sub: str) -> str | None:
    """The limit that a call exceeds; None: it was admitted."""
    call = begin(ONE, metadata=bearer(sub))
    try:
        assert await call.read() is not aio.EOF
    except aio.AioRpcError as error:
        reported: StrongroomError = from_rpc_error(error)
        assert isinstance(reported, RateLimited)
        return reported.metadata["limit"]
    call.cancel()
    return None


def test_what_is_listed_exists() -> None:
    from strongroom.metadata.v1 import notification_service_pb2
    from strongroom.storage.v1 import guest_pb2, link_pb2, preview_pb2, storage_service_pb2

    files = (notification_service_pb2, guest_pb2, link_pb2, preview_pb2, storage_service_pb2)
    known = {
        f"/{service.full_name}/{method.name}"
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert set(OPEN) | SESSIONS | ZIPS <= known


async def test_a_token_is_judged_by_when_it_came_to_the_gateway() -> None:
    """It may expire while the body arrives, and this service's clock may not have reached its nbf yet."""
    now = time.time()
    dated = {
        "expired since": (token(exp=now - 20, iat=now - 600), now - 60, "OK"),
        "expired before": (token(exp=now - 20, iat=now - 600), now - 5, "TOKEN_EXPIRED"),
        "by a clock ahead": (token(nbf=now + 240, exp=now + 3600), now + 240, "OK"),
        "by a clock an hour ahead": (token(nbf=now + 3000, exp=now + 3600), now + 3001, "TOKEN_INVALID"),
    }
    async with serving() as address, aio.insecure_channel(address) as channel:
        call = EchoStub(channel).unary
        for name, (text, arrived, expected) in dated.items():
            proof = GatewayCredential(GATEWAY_SECRET).vouch(text, arrived)
            sent = (("authorization", f"Bearer {text}"), ("x-strongroom-gateway", proof))
            assert await outcomes(call, 1, sent) == [expected], name
        text = dated["expired since"][0]
        other = GatewayCredential(GATEWAY_SECRET).vouch(token(), now - 60)
        forged = GatewayCredential("another secret of 32 bytes......").vouch(text, now - 60)
        for proof in (other, forged, GatewayCredential(GATEWAY_SECRET).mint()):
            sent = (("authorization", f"Bearer {text}"), ("x-strongroom-gateway", proof))
            assert await outcomes(call, 1, sent) == ["TOKEN_EXPIRED"]
