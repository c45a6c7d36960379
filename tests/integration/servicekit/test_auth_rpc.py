"""Authorization over real gRPC."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
from grpc import aio

from servicekit.auth.credentials import InternalCredential
from servicekit.auth.principal import Principal, effective_owner
from servicekit.context import current_principal, current_request_id
from servicekit.serving.server import serve_in_process
from strongroom.errors import (
    InternalTokenInvalid,
    PermissionDenied,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    from_rpc_error,
)
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadRequest, UploadResponse
from tests.integration.servicekit.conftest import Serving
from tests.integration.servicekit.echo import (
    INTERNAL_SECRET,
    INTERNAL_SERVICE,
    SERVICE,
    Echo,
    EchoStub,
    bearer,
    everything,
    failure,
    refusal,
    settings,
    token,
)

ONE = GetUploadRequest(upload_id="u")


class Recorder(Echo):
    """Records the principal and request id of each call."""

    def __init__(self) -> None:
        self.seen: list[tuple[Principal, str]] = []
        super().__init__(self._unary, self._client_stream, self._server_stream, self._bidi)

    def _note(self) -> None:
        self.seen.append((current_principal(), current_request_id()))

    async def _unary(self, request: Any, context: Any) -> UploadResponse:
        self._note()
        return UploadResponse()

    async def _client_stream(self, requests: Any, context: Any) -> UploadResponse:
        self._note()
        return UploadResponse(persisted_size=len([message async for message in requests]))

    async def _server_stream(self, request: Any, context: Any) -> Any:
        self._note()
        yield UploadResponse()

    async def _bidi(self, requests: Any, context: Any) -> Any:
        self._note()
        async for _ in requests:
            yield UploadResponse()


async def test_all_kinds_see_the_principal(serving: Serving) -> None:
    echo = Recorder()
    async with serving(echo) as stub:
        chunk = [UploadRequest(data=b"x")]
        sent = bearer()
        await stub.unary(ONE, metadata=sent)
        await stub.client_stream(iter(chunk), metadata=bearer())
        await everything(stub.server_stream(ONE, metadata=bearer()))
        await everything(stub.bidi(iter(chunk), metadata=bearer()))
    assert [(who.subject, request_id) for who, request_id in echo.seen] == [("alice", "req-1")] * 4
    assert f"Bearer {echo.seen[0][0].token}" == sent[0][1]


async def test_no_call_reaches_the_servicer_without_a_token(serving: Serving) -> None:
    echo = Recorder()
    async with serving(echo) as stub:
        chunk = UploadRequest(data=b"x")
        for failed in (
            await failure(stub.unary(ONE)),
            await refusal(stub.client_stream, chunk),
            await failure(everything(stub.server_stream(ONE))),
            await refusal(stub.bidi, chunk, reads=True),
        ):
            assert failed.code() is grpc.StatusCode.UNAUTHENTICATED
            assert type(from_rpc_error(failed)) is TokenMissing
    assert echo.seen == []


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ((("authorization", "Basic YWxpY2U6eA=="),), TokenInvalid),
        ((("authorization", "Bearer "),), TokenInvalid),
        ((("authorization", "Bearer nonsense"),), TokenInvalid),
        (bearer(exp=1), TokenExpired),
        ((*bearer("alice"), *bearer("bob")), TokenInvalid),
        ((*bearer(), ("x-strongroom-internal", "nonsense")), InternalTokenInvalid),
    ],
)
async def test_bad_credentials(
    serving: Serving, metadata: tuple[tuple[str, str], ...], error: type[Exception]
) -> None:
    echo = Recorder()
    async with serving(echo) as stub:
        assert type(from_rpc_error(await failure(stub.unary(ONE, metadata=metadata)))) is error
    assert echo.seen == []


async def test_long_tokens_reach_the_rule_for_them(serving: Serving) -> None:
    echo = Recorder()
    async with serving(echo) as stub:
        await stub.unary(ONE, metadata=bearer(pad="x" * 5900))
        too_long = await failure(stub.unary(ONE, metadata=bearer(pad="x" * 6500)))
        absurd = await failure(stub.unary(ONE, metadata=bearer(pad="x" * 60_000)))
    assert type(from_rpc_error(too_long)) is TokenInvalid
    assert "8192" in (too_long.details() or "")
    assert absurd.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(echo.seen) == 1


async def test_a_refused_token_is_not_repeated_to_the_caller(serving: Serving) -> None:
    wrong = token()[:-4] + "AAAA"
    async with serving(Echo()) as stub:
        failed = await failure(stub.unary(ONE, metadata=(("authorization", f"Bearer {wrong}"),)))
    assert wrong.split(".")[1] not in f"{failed.details()} {failed.trailing_metadata()}"


async def test_optional_auth_calls_anonymous_but_still_refuses_bad_tokens(serving: Serving) -> None:
    echo = Recorder()
    async with serving(echo, auth="optional") as stub:
        await stub.unary(ONE)
        await stub.unary(ONE, metadata=bearer())
        failed = await failure(stub.unary(ONE, metadata=bearer(exp=1)))
    assert [who.subject for who, _ in echo.seen] == ["anonymous", "alice"]
    assert type(from_rpc_error(failed)) is TokenExpired


async def test_internal_services_want_the_internal_credential(serving: Serving) -> None:
    echo = Recorder()
    internal = (("x-strongroom-internal", InternalCredential(INTERNAL_SECRET).mint()),)
    async with serving(echo, service=INTERNAL_SERVICE) as stub:
        for metadata in (bearer(), bearer(roles=["admin"])):
            refused = await failure(stub.unary(ONE, metadata=metadata))
            assert type(from_rpc_error(refused)) is PermissionDenied
        await stub.unary(ONE, metadata=internal)
        await stub.unary(ONE, metadata=(*bearer(), *internal))
    assert [(who.subject, who.internal) for who, _ in echo.seen] == [
        ("", "storage_service"),
        ("alice", "storage_service"),
    ]
    with pytest.raises(TokenMissing):
        effective_owner(echo.seen[0][0], "")


async def test_a_message_may_come_after_its_token_has_expired(serving: Serving) -> None:
    """Permission is decided when the headers come, for streams and single messages alike."""
    echo = Recorder()
    async with serving(echo, jwt_leeway_seconds=0) as stub:
        await stub.unary(ONE, metadata=bearer())  # the connection is established
        expires = time.time() + 5
        metadata = bearer(exp=expires)
        late = stub.late_unary(metadata=metadata)
        stream = stub.client_stream(metadata=metadata)
        await late.wait_for_connection()
        await asyncio.sleep(expires + 0.5 - time.time())
        for call, message in ((late, ONE), (stream, UploadRequest(data=b"x"))):
            await call.write(message)
            await call.done_writing()
            await call
        refused = await failure(stub.unary(ONE, metadata=metadata))
    assert type(from_rpc_error(refused)) is TokenExpired


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a/b", "é"])
async def test_unfit_request_ids_are_replaced(serving: Serving, given: str) -> None:
    echo = Recorder()
    metadata = (bearer()[0], ("x-request-id", given)) if given.isascii() else (bearer()[0],)
    async with serving(echo) as stub:
        await stub.unary(ONE, metadata=metadata)
    (_, request_id) = echo.seen[0]
    assert request_id != given
    assert len(request_id) == 32


async def test_errors_carry_the_request_id(serving: Serving) -> None:
    async with serving(Echo()) as stub:
        failed = await failure(stub.unary(ONE, metadata=(("x-request-id", "abc.DEF-1_2"),)))
    assert ("x-request-id", "abc.DEF-1_2") in [tuple(pair) for pair in failed.trailing_metadata()]


async def test_open_services_ask_for_no_token() -> None:
    """They still count as work: a stopping server waits for them."""
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def answer(request: Any, context: Any) -> UploadResponse:
        begun.set()
        await let_go.wait()
        return UploadResponse(persisted_size=7)

    spec = Echo(answer).spec(open_services=(SERVICE,))
    async with AsyncExitStack() as stack:
        server = AsyncExitStack()
        address = await server.enter_async_context(serve_in_process(spec, settings()))
        channel = await stack.enter_async_context(aio.insecure_channel(address))
        call = asyncio.ensure_future(EchoStub(channel).unary(ONE))
        await begun.wait()
        stopping = asyncio.ensure_future(server.aclose())
        await asyncio.sleep(0.3)  # longer than health watchers get
        let_go.set()
        assert (await call).persisted_size == 7
        await stopping
