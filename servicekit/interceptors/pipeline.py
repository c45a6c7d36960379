"""All stages in one interceptor.

Order, from outside: request id → telemetry → auth → limits → validation → errors → servicer. The errors stage
converts any exception of the others into a status exactly once; telemetry, around it, counts and logs the
final code.

Over a network, unary requests are received like streams: gRPC would otherwise wait for the message first, and
callers without a token could fill the process with calls that never send one.

It is one interceptor instead of five, with a handler built once per method, because grpc.aio calls every
interceptor again for each RPC, and classes that wrap handlers put a generator around every message. Here
streams reach the servicer directly (validation is in the deserializer), and this coroutine writes response
streams, like gRPC itself would. Figures: docs/decisions/0002-interceptors.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, TypeAlias

import grpc
from grpc import aio

from servicekit.auth.authenticator import Authenticator
from servicekit.context import (
    REQUEST_ID,
    RequestContext,
    Writing,
    clean_request_id,
    current,
    current_writing,
    mark_arrival,
)
from servicekit.drain import Drain
from servicekit.interceptors.caller import OPEN_SERVICES, AuthPolicy, Credentials, authenticate, begin
from servicekit.interceptors.door import Door
from servicekit.interceptors.errors import abort, abort_within, explain_cancellation, translate
from servicekit.interceptors.remote import as_given, end_unread, is_callers, is_ours, message_of, receiver
from servicekit.interceptors.validation import request_parser
from servicekit.limits import Holds
from servicekit.method import FACTORIES, Behavior, Method, ServicerContext, behavior_of
from servicekit.telemetry import tracing
from servicekit.telemetry.logs import POLLING, level_of, redact, sink
from servicekit.telemetry.rpcs import MethodStats, Metrics
from servicekit.telemetry.spans import Span, Value
from strongroom.errors import RateLimited, StrongroomError, TokenExpired, TokenInvalid, TokenMissing

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Runner: TypeAlias = Callable[[Any, ServicerContext], Awaitable[Any]]
Entrance: TypeAlias = Callable[[Any, ServicerContext, RequestContext, Credentials], Awaitable[Any]]
Ending: TypeAlias = Callable[
    [RequestContext, grpc.StatusCode, StrongroomError | None, float, Span | None], None
]


class CallerLeft(Exception):
    """A response can't be written because the call is over; its cancellation has not arrived here yet."""


class Pipeline(aio.ServerInterceptor):
    """Request id, telemetry, auth, validation and errors around every RPC of a server.

    ``remote``: callers are in other processes, so their messages may come late or never, and nobody may read
    their answers. ``send_idle_seconds``: how long they may keep this one waiting.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        metrics: Metrics,
        policy: AuthPolicy,
        drain: Drain,
        send_idle_seconds: float,
        door: Door | None = None,
        remote: bool = False,
    ) -> None:
        self._door = door
        self._remote = remote
        self._authenticator = authenticator
        self._send_idle_seconds = send_idle_seconds
        self._metrics = metrics
        self._policy = policy
        self._drain = drain
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """A method's wrapped handler, built at its first call. gRPC handles unknown methods."""
        mark_arrival()
        path = handler_call_details.method
        handler = self._handlers.get(path)
        if handler is None:
            plain = await continuation(handler_call_details)
            if plain is None:
                _note_unknown(handler_call_details)
                return None
            handler = self._handlers[path] = self._build(path, plain)
        return handler

    def _build(self, path: str, plain: Handler) -> Handler:
        method = Method.of(path, plain)
        stats = self._metrics.method(method)
        parse = counted_parser(
            request_parser(
                plain.request_deserializer,
                streaming=plain.request_streaming,
                internal=self._policy.is_internal(method.service),
            ),
            stats,
        )
        serialize = counted_serializer(plain.response_serializer, stats)
        body = _body(plain, parse, serialize)
        runner = self._around(method, stats, body)
        # A unary request arrives as bytes and is parsed inside the pipeline, where errors are translated; a
        # unary response leaves it as bytes.
        request_deserializer = parse if plain.request_streaming else None
        response_serializer = serialize if plain.response_streaming else None
        factory = FACTORIES[bool(plain.request_streaming) or self._remote, bool(plain.response_streaming)]
        return factory(runner, request_deserializer, response_serializer)

    def _around(self, method: Method, stats: MethodStats, body: Runner) -> Runner:
        """Everything except the servicer, for all four kinds of RPC."""
        is_probe = method.service in OPEN_SERVICES  # no work is lost if a probe is cut
        is_quiet = is_probe or method.name in POLLING
        drain = self._drain
        span_name, attributes = method.path.lstrip("/"), rpc_attributes(method)
        entrance, ended = self._entrance(method, body), self._ending(stats, quiet=is_quiet)
        send_idle_seconds, remote = self._send_idle_seconds, self._remote

        async def run(request: Any, context: ServicerContext) -> Any:
            started = time.monotonic()
            code = grpc.StatusCode.OK
            failure: StrongroomError | None = None
            info, credentials = begin(method.path, context)
            info.drain = drain
            info.writing = Writing(send_idle_seconds)
            stats.in_flight += 1
            drain.entered(is_probe)
            span = None
            if tracing.is_on() and not is_probe and (info.traceparent or not is_quiet):
                span = tracing.begin_request(info, span_name, attributes)
            try:
                return await entrance(request, context, info, credentials)
            except asyncio.CancelledError as error:
                reported = explain_cancellation(error, info, cut=is_probe and drain.is_cut)
                if reported is None:
                    code = grpc.StatusCode.CANCELLED
                    raise
                code, failure = reported.code, reported
                await abort(context, reported, info.request_id)
            except CallerLeft as left:
                code = grpc.StatusCode.CANCELLED
                raise asyncio.CancelledError from left  # grpc.aio ignores this
            except aio.AbortError:
                code = _code_of(context)
                raise
            except Exception as error:  # noqa: BLE001 - the only place where everything is translated
                reported = translate(error, context, info)
                code, failure = reported.code, reported
                await abort_within(context, reported, info, send_idle_seconds)
            finally:
                if remote and not is_ours(info):  # our own callers have time limits for their readers
                    end_unread(send_idle_seconds)
                drain.left(is_probe)
                ended(info, code, failure, time.monotonic() - started, span)
                if failure is not None:
                    # Its frames would keep it and the caller's message alive until a garbage collection.
                    failure.__traceback__ = None

        return run

    def _ending(self, stats: MethodStats, *, quiet: bool) -> Ending:
        """Counts and logs a finished RPC."""
        metrics = self._metrics

        def ended(
            info: RequestContext,
            code: grpc.StatusCode,
            failure: StrongroomError | None,
            seconds: float,
            span: Span | None,
        ) -> None:
            name = code.name
            stats.in_flight -= 1
            stats.ended(name, seconds)
            if failure is not None:
                info.reason, info.advice = failure.reason_name, failure.advice
                metrics.problem(info.reason)
            if span is not None:
                span.end(
                    {"rpc.grpc.status_code": code.value[0], "strongroom.reason": info.reason},
                    error=name if code in _FAILURES else "",
                )
            level = level_of(code, failure, quiet=quiet)
            sink().rpc(
                info, name, seconds, "warning" if level == "error" and is_callers(info, code) else level
            )

        return ended

    def _entrance(self, method: Method, body: Runner) -> Entrance:
        """Authentication and limits, then the servicer."""
        is_open = self._policy.is_open(method.service)
        is_internal = self._policy.is_internal(method.service)
        authenticator = self._authenticator
        probes = self._door if method.service in OPEN_SERVICES else None
        door = None if method.service in OPEN_SERVICES else self._door
        is_awaited = self._remote and method.is_unary_request  # its message may still be on its way
        receive = receiver(self._send_idle_seconds) if is_awaited else as_given

        async def enter(
            request: Any, context: ServicerContext, info: RequestContext, credentials: Credentials
        ) -> Any:
            if not is_open:
                try:
                    if door is not None and (arrived := door.arrival(credentials)) is not None:
                        info.arrived = arrived
                    await authenticate(authenticator, credentials, info, internal=is_internal)
                except (TokenMissing, TokenInvalid, TokenExpired) as error:
                    if door is not None:
                        door.doubt(error, credentials)
                        await door.refuse(error, credentials, context)
                    raise
            if probes is not None:
                await probes.probe(context)
            if door is not None and door.passes(info, credentials):
                return await body(await message_of(context) if is_awaited else request, context)
            if door is None:
                return await body(await receive(request, context), context)
            with Holds() as holds:
                user = await door.enter(method, info, context, holds=holds)
                received = await receive(request, context)
                await door.begin_imports(method, user, received)
                return await _serve(door, user, body, received, context)

        return enter


async def _serve(door: Door, user: str, body: Runner, request: Any, context: ServicerContext) -> Any:
    """Call the servicer for ``user``. Raises RateLimited, by the servicer or for answers not read."""
    try:
        answer = await body(request, context)
    except RateLimited:
        door.refused_behind(user)
        raise
    if door.gives(user, answer):
        return answer
    del answer  # a refusal may take seconds
    return await door.refuse_answer(user)


#: Characters of an unknown method's name in the log.
_SHOWN: Final = 128
#: Statuses that mean that the server failed (OpenTelemetry's semantic conventions for gRPC).
_FAILURES: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)


def _note_unknown(details: grpc.HandlerCallDetails) -> None:
    """Log a call that no servicer handles: gRPC answers it by itself."""
    given = next((value for key, value in details.invocation_metadata or () if key == REQUEST_ID), None)
    request_id = clean_request_id(given if isinstance(given, str) else None)
    asked = RequestContext(request_id, method=redact(details.method)[:_SHOWN])
    sink().rpc(asked, grpc.StatusCode.UNIMPLEMENTED.name, 0.0, "info")


def rpc_attributes(method: Method) -> Mapping[str, Value]:
    """Attributes of all spans of this method."""
    return {"rpc.system": "grpc", "rpc.service": method.service, "rpc.method": method.name}


def _code_of(context: ServicerContext) -> grpc.StatusCode:
    """The status of an aborted RPC; cygrpc returns the number."""
    found: Any = context.code()
    return found if isinstance(found, grpc.StatusCode) else _BY_NUMBER.get(found, grpc.StatusCode.UNKNOWN)


_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


def _body(plain: Handler, parse: Callable[[Any], Any], serialize: Callable[[Any], bytes]) -> Runner:
    """The servicer's function as a coroutine: unary sides as bytes, stream sides through the context."""
    behavior = behavior_of(plain)
    if plain.response_streaming:
        return _stream_body(behavior, None if plain.request_streaming else parse)
    if plain.request_streaming:

        async def stream_unary(requests: Any, context: ServicerContext) -> bytes:
            return serialize(await behavior(requests, context))

        return stream_unary

    async def unary_unary(raw: bytes, context: ServicerContext) -> bytes:
        return serialize(await behavior(parse(raw), context))

    return unary_unary


def _stream_body(behavior: Behavior, parse: Callable[[Any], Any] | None) -> Runner:
    async def respond(request: Any, context: ServicerContext) -> None:
        produced = behavior(parse(request) if parse else request, context)
        if not hasattr(produced, "__aiter__"):
            await produced  # a servicer that writes to the context itself
            return
        writing = current_writing()
        async with aclosing(produced):
            async for response in produced:
                try:
                    await writing.write(context, response)
                except aio.InternalError as error:
                    raise CallerLeft from error
                del response  # not kept while the next one is made

    return respond


def counted_parser(parse: Callable[[bytes], Any], stats: MethodStats) -> Callable[[bytes], Any]:
    """``parse`` that counts bytes."""

    def parse_and_count(raw: bytes) -> Any:
        size = len(raw)
        stats.received_bytes += size
        request = current()
        if request is not None:
            request.received += size
        return parse(raw)

    return parse_and_count


def counted_serializer(
    serialize: Callable[[Any], bytes] | None, stats: MethodStats
) -> Callable[[Any], bytes]:
    """``serialize`` that counts bytes."""
    plain = serialize or (lambda message: message)

    def serialize_and_count(message: Any) -> bytes:
        raw = plain(message)
        size = len(raw)
        stats.sent_bytes += size
        request = current()
        if request is not None:
            request.sent += size
        return raw

    return serialize_and_count
