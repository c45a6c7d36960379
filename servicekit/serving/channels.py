"""Calls to other services: pools of channels that pass on caller, request id and deadline, and return typed
errors.

Deadlines travel as gRPC deadlines less ``MARGIN_SECONDS`` per hop, so that the inner call gives up first and
the outer one can still say why. Every call has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

import grpc
from grpc import aio

from servicekit.auth.credentials import InternalCredential
from servicekit.auth.principal import Principal
from servicekit.context import current, outgoing_metadata, remaining
from servicekit.options import Option, client_options
from servicekit.serving.tls import channel_credentials
from servicekit.settings import CommonSettings
from strongroom.channel_pool import CALLS_PER_CONNECTION, ChannelPool
from strongroom.errors import DeadlineExceeded, ServiceUnavailable, StrongroomError, from_rpc_error
from strongroom.grpc_targets import past_proxies

MARGIN_SECONDS: Final = 0.25
#: A transaction takes milliseconds; later answers won't come, and the caller still waits.
DEFAULT_SECONDS: Final = 6.0
RETRY_SECONDS: Final = 2.0

Request = TypeVar("Request")
Response = TypeVar("Response")
Pairs = Sequence[tuple[str, str]]


def make_channel(address: str, settings: CommonSettings, options: Sequence[Option] = ()) -> ChannelPool:
    """Channels to ``address`` (``host:port`` or ``dns:///name:port``); TLS by settings.

    No call waits for a free stream: a connection gets at most half of this process's own
    ``max_concurrent_streams``. Two pools never share a connection. The caller closes the pool.
    """
    credentials = channel_credentials(settings)

    def open_channel(of_pool: Sequence[Option]) -> aio.Channel:
        arguments = client_options((*of_pool, *options, *past_proxies(address)))
        if credentials is None:
            return aio.insecure_channel(address, options=arguments)
        return aio.secure_channel(address, credentials, options=arguments)

    calls = min(CALLS_PER_CONNECTION, max(1, settings.max_concurrent_streams // 2))
    return ChannelPool(open_channel, calls)


def deadline(timeout: float | None = None) -> float:
    """Seconds for an outgoing call: ``timeout`` (default 6 s), but no more than the caller has left.

    :raises DeadlineExceeded: nothing is left.
    """
    wanted = DEFAULT_SECONDS if timeout is None else timeout
    left = remaining()
    if left is None:
        return wanted
    if left <= MARGIN_SECONDS:
        raise DeadlineExceeded("The caller's deadline leaves no time for this call.")
    return min(wanted, left - MARGIN_SECONDS)


def metadata_for_call(internal: InternalCredential | None = None, *, as_caller: bool = True) -> Pairs:
    """Metadata of an outgoing call: the caller's token (unless not ``as_caller``), request id, trace."""
    request = current()
    principal: Principal | None = request.principal if request is not None and as_caller else None
    return outgoing_metadata(principal, internal)


async def call(
    method: aio.UnaryUnaryMultiCallable[Request, Response],
    request: Request,
    *,
    timeout: float | None = None,
    internal: InternalCredential | None = None,
    as_caller: bool = True,
    wait_for_ready: bool | None = None,
) -> Response:
    """One unary call on behalf of the request in progress; ``method`` is a stub's attribute.

    :raises StrongroomError: the service's error, as its class (``strongroom.errors.from_rpc_error``).
    """
    seconds = deadline(timeout)
    try:
        return await method(
            request,
            timeout=seconds,
            metadata=metadata_for_call(internal, as_caller=as_caller),
            wait_for_ready=wait_for_ready,
        )
    except grpc.RpcError as error:
        raise _explained(error) from error


def _explained(error: grpc.RpcError) -> StrongroomError:
    """The typed error of a failed call. If only our own limit has passed, not the caller's deadline, the
    error says that the service is unavailable.
    """
    found = from_rpc_error(error)
    left = remaining()
    if isinstance(found, DeadlineExceeded) and (left is None or left > 2 * MARGIN_SECONDS):
        return ServiceUnavailable(
            "A service behind this one did not answer in time; try again.", retry_after=RETRY_SECONDS
        )
    return found
