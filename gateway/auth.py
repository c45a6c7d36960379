"""Who calls: the bearer token of the request. The services behind verify it again for themselves."""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from gateway.services import Services
from servicekit.principal import ANONYMOUS, Principal

_NOBODY: Final = Principal(ANONYMOUS)


async def authenticate(services: Services, scope: Scope, *, public: bool) -> Principal:
    """The caller by ``Authorization`` (RFC 6750 section 2.1). Tokens in queries or forms are never looked at.

    ``public``: the route asks for no token, and none is read.

    :raises TokenMissing, TokenInvalid, TokenExpired: answered 401. :raises ServiceUnavailable: no keys to
        check with.
    """
    if public:
        return _NOBODY
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    return await services.authenticator.verify(b", ".join(values).decode("latin-1") if values else None)
