"""Every failure in a handler reaches the caller as one typed status, for all four kinds of RPC."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import weakref
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc import aio
from grpc_status import rpc_status  # type: ignore[import-untyped]

from servicekit.telemetry import logs
from strongroom.errors import (
    FileNotFound,
    Internal,
    InvalidField,
    MalformedRequest,
    QuotaExceeded,
    RequestInProgress,
    ServiceUnavailable,
    Unimplemented,
    from_rpc_error,
)
from strongroom.storage.v1.upload_pb2 import GetUploadRequest, UploadRequest, UploadResponse
from tests.integration.servicekit.conftest import Serving
from tests.integration.servicekit.echo import (
    Echo,
    EchoStub,
    bearer,
    everything,
    failure,
    refusal,
    until_failure,
)

DSN = "postgresql://strongroom:hunter2@db.internal/strongroom"
ONE = GetUploadRequest(upload_id="u")


def raising(error: BaseException) -> Any:
    async def handler(request: Any, context: Any) -> UploadResponse:
        raise error

    return handler


def streaming(error: BaseException, after: int) -> Any:
    async def handler(request: Any, context: Any) -> Any:
        for size in range(after):
            yield UploadResponse(persisted_size=size)
        raise error

    return handler


async def calls(stub: EchoStub) -> list[aio.AioRpcError]:
    """The error of one call of each kind."""
    meta = bearer()
    chunks = [UploadRequest(data=b"x")]
    return [
        await failure(stub.unary(ONE, metadata=meta)),
        await refusal(stub.client_stream, *chunks, metadata=meta),
        await failure(everything(stub.server_stream(ONE, metadata=meta))),
        await refusal(stub.bidi, *chunks, reads=True, metadata=meta),
    ]


def failing_with(error: BaseException, after: int = 0) -> Echo:
    stream = streaming(error, after)
    return Echo(raising(error), raising(error), stream, stream)


async def test_typed_errors_keep_class_message_and_details(serving: Serving) -> None:
    error = QuotaExceeded("Your quota is spent.", metadata={"limit": "10", "used": "9"}, retry_after=1.5)
    async with serving(failing_with(error)) as stub:
        for failed in await calls(stub):
            typed = from_rpc_error(failed)
            assert type(typed) is QuotaExceeded
            assert failed.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert typed.message == "Your quota is spent."
            assert typed.metadata == {"limit": "10", "used": "9"}
            assert typed.retry_after == 1.5


async def test_the_status_reads_with_grpc_status(serving: Serving) -> None:
    async with serving(failing_with(FileNotFound("There is no such file."))) as stub:
        failed = await failure(stub.unary(ONE, metadata=bearer()))
    status = rpc_status.from_call(_Call(failed))
    assert status.message == "There is no such file."
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("FILE_NOT_FOUND", "strongroom")


class _Call:
    """The argument of ``rpc_status.from_call``: grpc.Call's view of a failed aio call."""

    def __init__(self, error: aio.AioRpcError) -> None:
        self.code, self.details = error.code, error.details
        self.trailing_metadata = lambda: list(error.trailing_metadata())


@pytest.mark.parametrize("after", [0, 2])
async def test_unknown_exceptions_tell_the_request_id_and_nothing_else(
    serving: Serving, capfd: pytest.CaptureFixture[str], after: int
) -> None:
    async with serving(failing_with(RuntimeError(f"could not connect to {DSN}"), after)) as stub:
        for failed in await calls(stub):
            assert type(from_rpc_error(failed)) is Internal
            assert failed.code() is grpc.StatusCode.INTERNAL
            assert failed.details() == "internal error; quote request id req-1"
            seen = f"{failed.details()} {failed.debug_error_string()} {failed.trailing_metadata()}"
            assert "hunter2" not in seen
            assert "RuntimeError" not in seen


async def test_errors_after_messages_still_map(serving: Serving) -> None:
    async with serving(failing_with(FileNotFound("It went away."), after=2)) as stub:
        got, failed = await until_failure(stub.server_stream(ONE, metadata=bearer()))
    assert got == [0, 1]
    assert isinstance(failed, aio.AioRpcError)
    assert type(from_rpc_error(failed)) is FileNotFound


async def test_a_servicer_that_writes_to_the_context_itself(serving: Serving) -> None:
    async def handler(request: Any, context: Any) -> None:
        await context.write(UploadResponse(persisted_size=7))
        raise FileNotFound("Gone.")

    async with serving(Echo(server_stream=handler)) as stub:
        got, failed = await until_failure(stub.server_stream(ONE, metadata=bearer()))
    assert got == [7]
    assert isinstance(failed, aio.AioRpcError)
    assert type(from_rpc_error(failed)) is FileNotFound


async def test_the_first_of_several_typed_errors_of_a_task_group(serving: Serving) -> None:
    async def handler(request: Any, context: Any) -> UploadResponse:
        async with asyncio.TaskGroup() as group:
            group.create_task(raising(QuotaExceeded("full"))(None, None))
        return UploadResponse()

    async with serving(Echo(unary=handler)) as stub:
        assert type(from_rpc_error(await failure(stub.unary(ONE, metadata=bearer())))) is QuotaExceeded


async def test_a_mixed_exception_group_is_a_bug(serving: Serving) -> None:
    group = ExceptionGroup("several", [QuotaExceeded("full"), ValueError(DSN)])
    async with serving(failing_with(group)) as stub:
        for failed in await calls(stub):
            assert type(from_rpc_error(failed)) is Internal
            assert "hunter2" not in str(failed)


async def test_a_failed_call_to_another_service_keeps_its_class(serving: Serving) -> None:
    inner = failing_with(RequestInProgress("Wait.", retry_after=2))
    async with serving(inner) as behind:

        async def handler(request: Any, context: Any) -> UploadResponse:
            response: UploadResponse = await behind.unary(request, metadata=bearer())
            return response

        async with serving(Echo(unary=handler)) as stub:
            typed = from_rpc_error(await failure(stub.unary(ONE, metadata=bearer())))
    assert type(typed) is RequestInProgress
    assert typed.retry_after == 2


async def test_a_service_that_is_down_is_named_without_its_address(serving: Serving) -> None:
    async with aio.insecure_channel("127.0.0.1:1") as nowhere:
        behind = EchoStub(nowhere)

        async def handler(request: Any, context: Any) -> UploadResponse:
            response: UploadResponse = await behind.unary(request, timeout=60)
            return response

        async with serving(Echo(unary=handler)) as stub:
            failed = await failure(stub.unary(ONE, metadata=bearer()))
    assert type(from_rpc_error(failed)) is ServiceUnavailable
    assert "127.0.0.1" not in (failed.details() or "")


async def test_methods_left_out_are_unimplemented_with_a_clear_text(serving: Serving) -> None:
    def generated(request: Any, context: Any) -> None:
        """A method as generated by grpc_tools."""
        context.set_code(grpc.StatusCode.UNIMPLEMENTED)
        context.set_details("Method not implemented!")
        raise NotImplementedError("Method not implemented!")

    async with serving(Echo(generated, generated, generated, generated)) as stub:
        for failed in await calls(stub):
            typed = from_rpc_error(failed)
            assert type(typed) is Unimplemented
            assert "is not in this release" in typed.message
            assert typed.metadata["feature"].startswith("/strongroom.test.v1.EchoService/")


async def test_calls_of_what_does_not_exist_have_a_line(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(logs, "_current_sink", [logs.Sink("echo", stream=stream)])
    async with serving(Echo(), service="no.such.Service") as stub:
        failed = await failure(stub.unary(ONE, metadata=(("x-request-id", "made-up-1234"),)))
    assert failed.code() is grpc.StatusCode.UNIMPLEMENTED
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines() if "made-up-1234" in line]
    assert (line["method"], line["code"]) == ("/no.such.Service/Unary", "UNIMPLEMENTED")


async def test_not_implemented_errors_of_other_code_are_bugs(serving: Serving) -> None:
    async with serving(failing_with(NotImplementedError("some library"))) as stub:
        failed = await failure(stub.unary(ONE, metadata=bearer()))
    assert failed.code() is grpc.StatusCode.INTERNAL


async def test_aborts_of_the_servicer_pass_through(serving: Serving) -> None:
    async def handler(request: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.ABORTED, "as the servicer says")

    async with serving(Echo(unary=handler)) as stub:
        failed = await failure(stub.unary(ONE, metadata=bearer()))
    assert (failed.code(), failed.details()) == (grpc.StatusCode.ABORTED, "as the servicer says")


async def test_bytes_that_are_no_message_are_malformed(serving: Serving) -> None:
    async with serving(Echo()) as stub:
        for failed in (
            await failure(stub.unary(b"\xff\xff", metadata=bearer())),
            await refusal(stub.client_stream, b"\xff\xff", metadata=bearer()),
            await failure(everything(stub.server_stream(b"\xff\xff", metadata=bearer()))),
            await refusal(stub.bidi, b"\xff\xff", reads=True, metadata=bearer()),
        ):
            assert type(from_rpc_error(failed)) is MalformedRequest


async def test_responses_that_cannot_be_written_are_internal(serving: Serving) -> None:
    async def wrong(request: Any, context: Any) -> Any:
        return DSN

    async def wrong_stream(request: Any, context: Any) -> Any:
        yield DSN

    async with serving(Echo(wrong, wrong, wrong_stream, wrong_stream)) as stub:
        for failed in await calls(stub):
            assert failed.details() == "internal error; quote request id req-1"


async def test_rules_of_the_proto_come_back_as_violations(serving: Serving) -> None:
    async with serving(Echo()) as stub:
        bad = GetUploadRequest(upload_id="")
        unary = from_rpc_error(await failure(stub.unary(bad, metadata=bearer())))
        chunks = [UploadRequest(data=b"x"), UploadRequest(write_offset=-1, data=b"x")]
        stream = from_rpc_error(await refusal(stub.client_stream, *chunks, metadata=bearer()))
    assert type(unary) is type(stream) is InvalidField
    assert (unary.field, unary.metadata["rule"]) == ("upload_id", "string.min_bytes")
    assert (stream.field, stream.metadata["rule"]) == ("write_offset", "int64.gte")
    assert [violation.field for violation in stream.violations] == ["write_offset"]


async def test_error_details_never_outgrow_the_trailers(serving: Serving) -> None:
    error = InvalidField("é" * 20_000, field="f" * 5000, metadata={f"key{n}": "v" * 1000 for n in range(50)})
    async with serving(failing_with(error)) as stub:
        for failed in await calls(stub):
            typed = from_rpc_error(failed)
            assert type(typed) is InvalidField
            assert len(typed.message) > 100


class Read:
    """A stand-in for data that a handler has read, which may be large."""


async def test_a_refusal_lets_go_of_what_the_handler_has_read(serving: Serving) -> None:
    """Immediately: garbage collection counts objects and does not run sooner for large ones."""
    held: list[weakref.ref[Read]] = []

    async def handler(request: Any, context: Any) -> UploadResponse:
        read = Read()
        held.append(weakref.ref(read))
        raise MalformedRequest("the bytes are others")

    async with serving(Echo(handler, handler)) as stub:
        gc.disable()
        try:
            await failure(stub.unary(ONE, metadata=bearer()))
            await refusal(stub.client_stream, UploadRequest(data=b"x"), metadata=bearer())
            async with asyncio.timeout(60):
                while any(one() is not None for one in held):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)
        finally:
            gc.enable()
    assert len(held) == 2
