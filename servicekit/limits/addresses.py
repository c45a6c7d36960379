"""Which address counts as one client."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: A subscriber of IPv6 has at least this prefix (RFC 6177), so it counts as one client.
IPV6_PREFIX: Final = 64


def parsed(text: str) -> Address | None:
    """Parse an address; an IPv4-mapped one (``::ffff:192.0.2.1``) becomes IPv4. None: no address."""
    try:
        found = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


@lru_cache(maxsize=4096)
def client_key(text: str) -> str:
    """The key under which ``text`` is counted: an IPv4 address, or the /64 of an IPv6 one."""
    address = parsed(text)
    if address is None:
        return text[:64]
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)


def is_in(text: str, networks: Sequence[Network]) -> bool:
    """Whether ``text`` is an address of one of ``networks``."""
    address = parsed(text)
    return address is not None and any(address in network for network in networks)


def behind_proxies(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The client's address: ``peer``, or if that is a trusted proxy, the last untrusted address in
    ``X-Forwarded-For``.

    Entries further left were written by the client.
    """
    found = peer
    for text in reversed(forwarded_for.split(",") if forwarded_for else ()):
        if not is_in(found, trusted):
            break
        address = _host(text)
        if parsed(address) is None:
            break
        found = address
    return found


def _host(text: str) -> str:
    """An entry without the port added by some proxies: ``192.0.2.1:4711``, ``[2001:db8::1]:4711``."""
    text = text.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def peer_address(peer: str) -> str:
    """The address in gRPC's notation of the peer: ``ipv4:192.0.2.1:4711``, ``ipv6:%5B::1%5D:4711``."""
    kind, _, rest = peer.partition(":")
    if kind == "ipv4":
        return rest.rpartition(":")[0]
    if kind == "ipv6":
        return rest.replace("%5B", "[").replace("%5D", "]").rpartition(":")[0].strip("[]").partition("%")[0]
    return peer
