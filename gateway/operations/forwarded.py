"""The origin under which a client knows us, as proxies tell it: believed only from those that are trusted."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from gateway.upstream.call import Call

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_SCHEMES: Final = frozenset({"http", "https"})


def forwarded_origin(call: Call) -> str:
    """``https://host`` by ``X-Forwarded-Proto`` and ``X-Forwarded-Host``; ``""`` when no trusted proxy
    says anything.

    Where a proxy appended to a value, the last one counts: it is the one that the trusted peer wrote.
    """
    proto, host = _last(call, "x-forwarded-proto").lower(), _last(call, "x-forwarded-host")
    if not (proto or host) or not from_trusted_proxy(call):
        return ""
    host = host or (call.header("host") or "")
    proto = proto or call.scope.get("scheme", "http")
    return f"{proto}://{host}" if proto in _SCHEMES and _HOST.fullmatch(host) else ""


def base_url(call: Call) -> str:
    """What stands before a path of ours in a URL that a client is to follow from anywhere: as
    ``STRONGROOM_PUBLIC_URL`` says, else as trusted proxies say, else as the request came. ``""``: it came
    without a host that can be repeated.
    """
    told = public_origin(call)
    if told:
        return told
    host, scheme = call.header("host") or "", call.scope.get("scheme", "http")
    return f"{scheme}://{host}" if scheme in _SCHEMES and _HOST.fullmatch(host) else ""


def public_origin(call: Call) -> str:
    """The same, for where a relative reference is as good: ``""`` when nobody says otherwise."""
    return call.services.settings.public_url or forwarded_origin(call)


def from_trusted_proxy(call: Call) -> bool:
    """Whether the other end of the connection is one of ``STRONGROOM_TRUSTED_PROXIES``."""
    client = call.scope.get("client")
    try:
        address = ipaddress.ip_address(client[0]) if client else None
    except ValueError:
        return False  # a Unix socket's peer has no address
    return address is not None and any(
        address in network for network in call.services.settings.trusted_proxies
    )


def _last(call: Call, name: str) -> str:
    return (call.header(name) or "").rpartition(",")[2].strip()
