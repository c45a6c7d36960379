"""Under which address a client is counted."""

from __future__ import annotations

from starlette.types import Scope

from gateway.upstream.services import Services
from servicekit.limits.addresses import behind_proxies, client_key


def address_of(services: Services, scope: Scope) -> str:
    """The key of the client's address, behind trusted proxies the forwarded one."""
    client = scope.get("client")
    peer = client[0] if client else "local"
    trusted = services.settings.trusted_proxies
    if trusted:
        lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        peer = behind_proxies(peer, b",".join(lines).decode("latin-1"), trusted)
    return client_key(peer)
