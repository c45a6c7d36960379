"""Which addresses an import may connect to: public ones only.

A name is resolved once; every address it has must be global, also the IPv4 address that may hide inside an
IPv6 one; and the connection goes to the very address that was checked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import Protocol, TypeAlias

from strongroom.errors import SourceUrlFailed, SourceUrlRefused

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
# Special-purpose blocks (IANA) that older Pythons' is_global lets through.
_SPECIAL_V4 = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("192.88.99.0/24"))
_SPECIAL_V6 = (ipaddress.IPv6Network("3fff::/20"),)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")


class Resolver(Protocol):
    """Names → addresses."""

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """All addresses of ``host``, which may be an address itself. Raises SourceUrlFailed."""
        ...


class SystemResolver:
    """The operating system's resolver, without blocking the loop."""

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """See Resolver.resolve."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise SourceUrlFailed("the source URL's host has no address") from error
        return list(dict.fromkeys(_parse(entry[4][0]) for entry in found))


def check_addresses(addresses: Sequence[Address]) -> None:
    """Raises SourceUrlRefused when any of them is not public: which one answers is not ours to choose."""
    for address in addresses:
        if not is_public(address):
            raise SourceUrlRefused(
                "the source URL's host is not a public address", metadata={"rule": "public_address"}
            )


def is_public(address: Address) -> bool:
    """Global unicast, through every wrapping of IPv4 in IPv6."""
    if isinstance(address, ipaddress.IPv4Address):
        special = any(address in network for network in _SPECIAL_V4)
        return address.is_global and not address.is_multicast and not address.is_reserved and not special
    inner = embedded_ipv4(address)
    if inner is not None:
        return is_public(inner)
    special = any(address in network for network in _SPECIAL_V6)
    return address in _GLOBAL_V6 and address.is_global and not address.scope_id and not special


def embedded_ipv4(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address inside a v4-mapped, NAT64, 6to4 or Teredo address."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _parse(text: str | int) -> Address:
    return ipaddress.ip_address(text)
