"""Which URLs an import accepts, and to which addresses it may connect.

Plain http or https to an allowed port, nothing that two parsers read differently; public addresses only. A
name is resolved once. Every address must be global, also an IPv4 address embedded in an IPv6 one; and the
connection uses the very address that was checked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Any, Final, Protocol, TypeAlias

import httpx

from servicekit.context import caller
from strongroom.errors import SourceUrlFailed, SourceUrlRefused

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
# Special-purpose blocks (IANA) that older Pythons' is_global accepts.
_SPECIAL_V4 = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("192.88.99.0/24"))
_SPECIAL_V6 = (ipaddress.IPv6Network("3fff::/20"),)
# For the last label, as in the URL standard ("ends in a number").
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
# Special-use domains (IANA), and others that are never public.
_PRIVATE_NAMES = (
    *(".localhost", ".localdomain", ".localdomain4", ".localdomain6", ".local", ".internal", ".home.arpa"),
    *(".intranet", ".lan", ".private", ".corp", ".home", ".onion", ".alt"),
)
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
LOOKUPS: Final = 64
"""The most names being resolved at once."""
LOOKUPS_EACH: Final = 16
"""The most for one caller: twice the number of parallel imports of an owner."""


class Resolver(Protocol):
    """Names → addresses."""

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """All addresses of ``host``, which may be an address. Raises SourceUrlFailed."""
        ...


class SystemResolver:
    """The operating system's resolver, in its own threads.

    The owner of a name decides how long resolving it takes, up to half a minute, and a look-up can't be
    cancelled. libuv has two threads for all names of a process: eight imports of one user would block it for
    everybody for minutes.

    One caller may have ``LOOKUPS_EACH`` unfinished, including those that nobody waits for any more.
    """

    def __init__(self) -> None:
        self._threads = asyncio.Semaphore(LOOKUPS)
        self._unfinished = Counter[str]()

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """See Resolver.resolve."""
        try:
            found = await self._looked_up(caller(), host, port)
        except (OSError, UnicodeError) as error:
            raise SourceUrlFailed("the source URL's host has no address") from error
        return list(dict.fromkeys(_parse(entry[4][0]) for entry in found))

    async def _looked_up(self, caller: str, host: str, port: int) -> list[Any]:
        """``caller``: "" for background work, which shares its places fairly itself."""
        if caller and self._unfinished[caller] >= LOOKUPS_EACH:
            raise SourceUrlFailed("looking up the hosts of your source URLs takes too long; try again later")
        self._unfinished[caller] += 1
        try:
            await self._threads.acquire()
        except asyncio.CancelledError:
            self._forget(caller)
            raise
        found = asyncio.get_running_loop().create_future()
        found.add_done_callback(_retrieved)
        # a daemon: the end of the process does not wait for it
        Thread(target=self._look_up, args=(found, caller, host, port), name="resolve", daemon=True).start()
        return list(await asyncio.shield(found))

    def _look_up(self, found: asyncio.Future[Any], caller: str, host: str, port: int) -> None:
        """Runs in the thread."""
        tell: Callable[[], None]
        try:
            tell = partial(found.set_result, socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - passed on to the waiter
            tell = partial(found.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed
            found.get_loop().call_soon_threadsafe(self._ended, caller, tell)

    def _ended(self, caller: str, tell: Callable[[], None]) -> None:
        self._threads.release()
        self._forget(caller)
        tell()

    def _forget(self, caller: str) -> None:
        self._unfinished[caller] -= 1
        if not self._unfinished[caller]:
            del self._unfinished[caller]


def _retrieved(found: asyncio.Future[Any]) -> None:
    """Mark the exception as retrieved, in case the caller has stopped waiting."""
    if not found.cancelled():
        found.exception()


def check_addresses(addresses: Sequence[Address]) -> None:
    """Raises SourceUrlRefused if any of the addresses is not public: the resolver's caller cannot choose
    which one answers.
    """
    for address in addresses:
        if not is_public(address):
            raise SourceUrlRefused(
                "the source URL's host is not a public address", metadata={"rule": "public_address"}
            )


def is_public(address: Address) -> bool:
    """Whether the address is global unicast, also after unwrapping every embedding of IPv4 in IPv6."""
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


def literal_address(host: str) -> Address | None:
    """The address, if ``host`` is one in the usual notation; None: a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_number_form(host: str) -> bool:
    """Whether resolvers and browsers read ``host`` as an IPv4 address in an unusual notation (``127.1``,
    ``0x7f.1``, ``2130706433``, ``127.0.0.1.``): its last label is a number, unlike any domain's.
    """
    last = host.rstrip(".").rpartition(".")[2]
    return bool(_NUMBER.fullmatch(last)) and literal_address(host) is None


def check_name(host: str) -> None:
    """Check a host name that is not resolved yet.

    Raises SourceUrlRefused for addresses that are not public, and for names that never have public ones:
    those of this machine and of private networks.
    """
    literal = literal_address(host)
    if literal is not None:
        check_addresses([literal])
        return
    name = host.rstrip(".").lower()
    if "." not in name or name.endswith(_PRIVATE_NAMES):
        raise _refused(
            "public_address", "names a host of this machine or of a private network, not a public one"
        )


def _parse(text: str | int) -> Address:
    return ipaddress.ip_address(text)


MAX_URL = 8192
DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?=.{1,254}\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|\[[0-9A-Fa-f:.]{2,45}\]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=:)")
_AUTHORITY = re.compile(r"^[A-Za-z]+://(?P<authority>[^/?#]*)")


@dataclass(frozen=True, slots=True)
class Source:
    """A URL that may be fetched; ``exempt`` from the address rule if the operator has named its host."""

    url: httpx.URL
    host: str
    port: int
    exempt: bool


@dataclass(frozen=True, slots=True)
class UrlRules:
    """Allowed ``ports``; ``allow_hosts`` (``host:port``) are exempt from the port and address rules."""

    ports: frozenset[int]
    allow_hosts: frozenset[str]

    def check(self, text: str) -> Source:
        """Raises SourceUrlRefused with the violated rule."""
        _check_scheme(text)
        _check_characters(text)
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, ValueError) as error:
            raise _refused("form", "is not a valid URL") from error
        if url.scheme not in DEFAULT_PORTS:
            raise _refused("scheme", "must begin with http:// or https://")
        authority = _AUTHORITY.match(text)
        if authority is None:
            raise _refused("form", "has no host name after http:// or https://")
        if "@" in authority["authority"] or url.userinfo:
            raise _refused("credentials", "must not contain a user name or password")
        host = url.raw_host.decode("ascii")  # IDNA: as sent to the resolver, not as shown to people
        if not _HOST.fullmatch(f"[{host}]" if ":" in host else host):
            raise _refused("host", "has no valid host name")
        if is_number_form(host):
            raise _refused("host", "has a host that is a number; write an IPv4 address as four of 0 to 255")
        port = DEFAULT_PORTS[url.scheme] if url.port is None else url.port  # 0 is no default
        exempt = f"{host}:{port}" in self.allow_hosts
        if port not in self.ports and not exempt:
            raise _refused("port", f"uses port {port}; allowed: {', '.join(map(str, sorted(self.ports)))}")
        return Source(url, host, port, exempt)

    def follow(self, source: Source, location: str) -> Source:
        """The target of a redirect, relative to the requested URL (not to the pinned address).

        Raises SourceUrlRefused with the violated rule.
        """
        if not location.strip("/ ") and location != "/":
            raise _refused("form", "redirects to an empty Location")
        _check_scheme(location, "redirects to a URL that")
        _check_characters(location)
        if _SCHEME.match(location):
            return self.check(location)
        try:
            joined = str(source.url.join(location))
        except (httpx.InvalidURL, ValueError) as error:
            raise _refused("form", "redirects to no valid URL") from error
        return self.check(joined)


def _check_scheme(text: str, whose: str = "") -> None:
    """Check that the scheme of ``text``, if it has one, is http or https. Done first, because parsers
    disagree on other schemes.
    """
    scheme = _SCHEME.match(text)
    if scheme and scheme[0].lower() not in DEFAULT_PORTS:
        raise _refused("scheme", f"{whose} must begin with http:// or https://".strip())


def _check_characters(text: str) -> None:
    if len(text) > MAX_URL or any(char <= " " or char in '\\<>"^`{|}\x7f' for char in text):
        raise _refused("characters", "is too long or contains characters that must be percent-encoded")


def _refused(rule: str, what: str) -> SourceUrlRefused:
    return SourceUrlRefused(f"the source URL {what}", metadata={"rule": rule})
