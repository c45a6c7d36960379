"""The caller of an RPC: reads its metadata (first stage: request id, deadline, trace, credentials), and
authenticates it (third stage, with the rule that internal services are only for Strongroom's processes).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from servicekit.auth.authenticator import Authenticator
from servicekit.auth.credentials import AUTHORIZATION, GATEWAY, INTERNAL
from servicekit.auth.tokens import refuse
from servicekit.context import (
    REQUEST_ID,
    TRACEPARENT,
    RequestContext,
    arrival,
    clean_request_id,
    clean_traceparent,
    set_current,
)
from servicekit.method import ServicerContext
from strongroom.errors import PermissionDenied


@dataclass(slots=True)
class Credentials:
    """The caller's credentials. ``repeated``: a header occurred twice."""

    authorization: str | None = None
    internal: str | None = None
    gateway: str | None = None
    repeated: bool = False


def begin(method: str, context: ServicerContext) -> tuple[RequestContext, Credentials]:
    """Read the metadata once and make the request current."""
    request_id = traceparent = None
    credentials = Credentials()
    for key, value in context.invocation_metadata() or ():
        if not isinstance(value, str):
            continue
        if key == AUTHORIZATION:
            credentials.repeated |= credentials.authorization is not None
            credentials.authorization = value
        elif key == INTERNAL:
            credentials.repeated |= credentials.internal is not None
            credentials.internal = value
        elif key == GATEWAY:
            credentials.gateway = value
        elif key == REQUEST_ID:
            request_id = value
        elif key == TRACEPARENT:
            traceparent = value
    request = RequestContext(
        clean_request_id(request_id),
        method=method,
        deadline=_deadline(context),
        traceparent=clean_traceparent(traceparent),
        arrived=arrival(),
    )
    set_current(request)
    return request, credentials


def _deadline(context: Any) -> float | None:
    seconds = context.time_remaining()
    return None if seconds is None else time.monotonic() + seconds


#: These contain nothing about users. Balancers and operators call them without a token.
OPEN_SERVICES = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "grpc.channelz.v1.Channelz",
)
#: Of these, the services that show the whole contract: open, or with a token, by STRONGROOM_REFLECTION.
REFLECTION_SERVICES = OPEN_SERVICES[1:3]


@dataclass(frozen=True, slots=True)
class AuthPolicy:
    """``internal``: prefixes of service names that require the internal credential.

    ``open``: services without a token.
    """

    internal: Sequence[str] = ()
    open: Sequence[str] = OPEN_SERVICES

    def is_open(self, service: str) -> bool:
        """Whether ``service`` may be called without a token."""
        return service in self.open

    def is_internal(self, service: str) -> bool:
        """Whether ``service`` is only for Strongroom's own processes."""
        return service.startswith(tuple(self.internal)) if self.internal else False


async def authenticate(
    authenticator: Authenticator, credentials: Credentials, request: RequestContext, *, internal: bool
) -> None:
    """Set ``request.principal``, as of the time when the request arrived.

    :raises TokenMissing, TokenInvalid, TokenExpired: see ``Authenticator.verify``; or a credential occurred
        twice.
    :raises PermissionDenied: the method is internal and the caller is not a Strongroom process.
    """
    if credentials.repeated:  # two hops could read it differently
        refuse("authorization was sent more than once")
    principal = await authenticator.verify(
        credentials.authorization, credentials.internal, arrived=request.arrived
    )
    if internal and principal.internal is None:
        raise PermissionDenied("This call is for Strongroom's own services.")
    request.principal = principal
