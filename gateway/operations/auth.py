"""Who calls: the bearer token of the request. The services behind verify it again for themselves."""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from gateway.http.exchange import parsed_query
from gateway.upstream.services import Services
from servicekit.auth.principal import ANONYMOUS, Principal
from strongroom.errors import TokenInvalid

_NOBODY: Final = Principal(ANONYMOUS)
#: Streams that a page opens without a header of its own: a ticket may stand for the token.
TICKETED: Final = frozenset({"/api/notifications", "/api/notifications/ws"})


async def authenticate(services: Services, scope: Scope, *, public: bool) -> Principal:
    """The caller by ``Authorization`` (RFC 6750 section 2.1), or by the ticket of a stream of events.

    Tokens in queries or forms are never looked at.

    ``public``: the route asks for no token, and none is read.

    :raises TokenMissing, TokenInvalid, TokenExpired: answered 401. :raises ServiceUnavailable: no keys to
        check with.
    """
    if public:
        return _NOBODY
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) > 1:  # which of them counts is read in more than one way
        raise TokenInvalid("The token was refused: Authorization was sent more than once.")
    if values or scope["path"] not in TICKETED:
        return await services.authenticator.verify(values[0].decode("latin-1") if values else None)
    ticket = parsed_query(scope["query_string"]).get("ticket")
    token = "" if ticket is None else services.tickets.open(ticket)
    return await services.authenticator.verify(f"Bearer {token}" if token else None)
