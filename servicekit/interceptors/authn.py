"""Third stage: authentication, and the rule that internal services are for Strongroom's own processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from servicekit.auth import Authenticator
from servicekit.context import RequestContext
from servicekit.interceptors.request_id import Credentials
from strongroom.errors import PermissionDenied

#: Say nothing about users, and are what balancers and operators call without a token.
OPEN_SERVICES = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "grpc.channelz.v1.Channelz",
)
#: Of these, what tells the whole contract: open, or with a token, by STRONGROOM_REFLECTION.
REFLECTION_SERVICES = OPEN_SERVICES[1:3]


@dataclass(frozen=True, slots=True)
class AuthPolicy:
    """``internal``: prefixes of service names that demand the internal credential.

    ``open``: no token at all.
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
    """Set ``request.principal``, by the moment when the request came in.

    :raises TokenMissing, TokenInvalid, TokenExpired: see ``Authenticator.verify``.
    :raises PermissionDenied: the method is internal and the caller is none of ours.
    """
    credentials.check_unique()
    principal = await authenticator.verify(
        credentials.authorization, credentials.internal, arrived=request.arrived
    )
    if internal and principal.internal is None:
        raise PermissionDenied("This call is for Strongroom's own services.")
    request.principal = principal
