"""The request in progress, in context variables: caller, request id, deadline, trace, response stream.

The interceptors (and the gateway's middleware, through ``bind``) set them. Tasks that a handler starts
inherit them, so that calls to other services carry the caller's token, request id and deadline automatically.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Final

from servicekit.auth.credentials import (
    AUTHORIZATION,
    GATEWAY,
    INTERNAL,
    GatewayCredential,
    InternalCredential,
)
from servicekit.auth.principal import Principal
from servicekit.auth.tokens import CLOCK_SKEW_SECONDS
from servicekit.drain import Drain
from strongroom.errors import DeadlineExceeded, StrongroomError


class Writing:
    """The response stream of a call, whose reader may stop reading. ``seconds``: the limit for one message.

    A write ends when gRPC has passed the message to the connection, which waits for the reader's flow-control
    window. Code that holds memory for a message can ask how long its write has lasted, and end the call.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._limit: asyncio.Timeout | None = None
        self._error: StrongroomError | None = None
        self._began = 0.0
        self.stuck = False

    def waits(self) -> float:
        """Seconds since the write in progress began; 0.0 between writes."""
        return asyncio.get_running_loop().time() - self._began if self._limit is not None else 0.0

    def interrupt(self, error: StrongroomError) -> bool:
        """Make the write in progress raise ``error``; False between writes."""
        if self._limit is None or self._error is not None:
            return False
        self._error = error
        self._limit.reschedule(asyncio.get_running_loop().time())
        return True

    async def write(self, context: Any, response: Any) -> None:
        """Write one message. Raises DeadlineExceeded if the reader takes too long, or the error given to
        ``interrupt``.
        """
        hand_over = getattr(context, "hand_over", None)  # of a call in this process (servicekit.inprocess)
        if hand_over is not None and hand_over(response):
            return  # usually at once, without setting a time limit
        self._began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._seconds) as self._limit:
                await (context.write(response) if hand_over is None else context.until_taken())
        except TimeoutError:
            self.stuck = True
            raise self._error or DeadlineExceeded(
                f"The reader took nothing for {self._seconds:g} s; ask again from where it stopped.",
                metadata={"limit_seconds": f"{self._seconds:g}"},
            ) from None
        finally:
            self._limit = None


REQUEST_ID: Final = "x-request-id"
TRACEPARENT: Final = "traceparent"

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(slots=True)
class RequestContext:
    """One request. ``deadline``: seconds of ``time.monotonic()``, None if the caller set none.

    ``arrived``: when it arrived, seconds since 1970; authorization is decided as of then. ``gateway``: proves
    to the services that this process, the gateway, has counted it. ``writing``: its response stream.
    ``received``, ``sent``: bytes of its messages so far. ``by_gateway``: the gateway vouches for it.
    ``kept_waiting``: it has failed because its caller sent or read nothing, which is no failure of ours.
    ``reason``, ``message`` (of our own failures), ``advice`` (for the operator), ``file_id``: for its log
    line.
    """

    request_id: str
    method: str = ""
    principal: Principal | None = None
    deadline: float | None = None
    traceparent: str = ""
    drain: Drain | None = None
    arrived: float = field(default_factory=time.time)
    gateway: GatewayCredential | None = None
    writing: Writing | None = None
    by_gateway: bool = False
    kept_waiting: bool = False
    received: int = 0
    sent: int = 0
    reason: str = ""
    message: str = ""
    advice: str = ""
    file_id: str = ""

    @property
    def trace_id(self) -> str:
        """The trace id in its ``traceparent``: 32 hex digits, or ``""``."""
        return self.traceparent[3:35]


#: When an RPC's headers arrived: a unary one begins only when its message is there.
_headers_came: ContextVar[float] = ContextVar("strongroom_headers_came")
_current: ContextVar[RequestContext | None] = ContextVar("strongroom_request", default=None)


def current() -> RequestContext | None:
    """The request in progress; None outside of one (background work)."""
    return _current.get()


def mark_arrival() -> None:
    """Record that an RPC's headers are here; called by the interceptors in the RPC's task."""
    _headers_came.set(time.time())


def arrival() -> float:
    """When the headers of this task's RPC arrived, seconds since 1970; now, if that was not recorded."""
    return _headers_came.get(time.time())


def set_current(request: RequestContext) -> None:
    """Make ``request`` current for this task; for the interceptors, where each RPC has its own task."""
    _current.set(request)


@contextmanager
def bind(request: RequestContext) -> Iterator[RequestContext]:
    """Make ``request`` current inside the block; for the gateway's middleware and for background work."""
    token = _current.set(request)
    try:
        yield request
    finally:
        _current.reset(token)


def for_caller(principal: Principal | None) -> RequestContext:
    """The request in progress without its deadline, on behalf of ``principal``; for ``bind``."""
    request = _current.get()
    mine = RequestContext(current_request_id(), principal=principal)
    if request is not None:
        mine.arrived = request.arrived
        mine.traceparent = request.traceparent
    return mine


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The request in progress with a deadline of at most ``seconds``, for steps with their own limit. It also
    limits calls to other services inside the block.
    """
    request = _current.get() or RequestContext("")
    ends = time.monotonic() + seconds
    deadline = ends if request.deadline is None else min(ends, request.deadline)
    with bind(replace(request, deadline=deadline)):
        yield


def current_principal() -> Principal:
    """The caller of the request in progress.

    :raises LookupError: outside of a request, or in a method that needs no authentication.
    """
    request = _current.get()
    if request is None or request.principal is None:
        raise LookupError("no authenticated request is in progress")
    return request.principal


def caller() -> str:
    """The user of the request in progress; ``""``: none, or background work."""
    request = _current.get()
    return request.principal.subject if request is not None and request.principal is not None else ""


def current_request_id() -> str:
    """The id of the request in progress; ``""`` outside of one."""
    request = _current.get()
    return request.request_id if request is not None else ""


def note_file(file_id: str) -> None:
    """Add the file to the log line of the request in progress."""
    request = _current.get()
    if request is not None:
        request.file_id = file_id


def note_message(message: str) -> None:
    """Add a message for operators to the log line of a request that is answered all the same."""
    request = _current.get()
    if request is not None:
        request.message = message


def draining() -> asyncio.Event:
    """Set when this process begins to leave: endless streams wait for it, and end.

    Outside of RPCs it is never set.
    """
    request = _current.get()
    return request.drain.begun if request is not None and request.drain is not None else asyncio.Event()


def current_writing() -> Writing:
    """The response stream of the RPC in progress.

    :raises LookupError: outside of an RPC.
    """
    request = _current.get()
    if request is None or request.writing is None:
        raise LookupError("no RPC is in progress")
    return request.writing


def remaining() -> float | None:
    """Seconds until the caller's deadline (negative if past); None without one."""
    request = _current.get()
    if request is None or request.deadline is None:
        return None
    return request.deadline - time.monotonic()


def clean_request_id(given: str | None) -> str:
    """``given`` if it is ``[A-Za-z0-9._-]{1,128}``, else a new one (32 hex digits)."""
    if given and _REQUEST_ID.fullmatch(given):
        return given
    return uuid.uuid4().hex


def clean_traceparent(given: str | None) -> str:
    """``given`` if it is a W3C traceparent, else ``""``."""
    return given if given and _TRACEPARENT.fullmatch(given) else ""


def _proof(
    principal: Principal | None,
    credential: InternalCredential | GatewayCredential,
    request: RequestContext | None,
) -> str:
    """The credential. It vouches for the caller's token if the called service could judge the token's dates
    differently: it expires (or became valid) about now, time passes, and clocks differ.
    """
    if principal is None or principal.token is None or request is None:
        return credential.mint()
    now = time.time()
    if principal.begins + CLOCK_SKEW_SECONDS < now < principal.expires - CLOCK_SKEW_SECONDS:
        return credential.mint()
    return credential.vouch(principal.token, request.arrived)


def outgoing_metadata(
    principal: Principal | None, internal: InternalCredential | None = None
) -> tuple[tuple[str, str], ...]:
    """Metadata for a call to another service: bearer token, internal credential, request id, trace.

    ``principal`` None: on nobody's behalf (later steps of an attempt, which may outlive the token).
    """
    pairs: list[tuple[str, str]] = []
    if principal is not None and principal.token:
        pairs.append((AUTHORIZATION, f"Bearer {principal.token}"))
    request = _current.get()
    if internal is not None:
        if principal is not None and principal.lent:
            pairs.append((INTERNAL, internal.act_for(principal.subject)))
        else:
            pairs.append((INTERNAL, _proof(principal, internal, request)))
    if request is not None:
        pairs.append((REQUEST_ID, request.request_id))
        if request.gateway is not None:
            pairs.append((GATEWAY, _proof(principal, request.gateway, request)))
        if request.traceparent:
            pairs.append((TRACEPARENT, request.traceparent))
    return tuple(pairs)
