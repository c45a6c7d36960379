"""Which URLs an import takes at all: plain http or https to an allowed port, nothing that two parsers read
differently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx

from strongroom.errors import SourceUrlRefused

MAX_URL = 8192
DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(?=.{1,254}\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|\[[0-9A-Fa-f:.]{2,45}\]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=:)")
_AUTHORITY = re.compile(r"^[A-Za-z]+://(?P<authority>[^/?#]*)")


@dataclass(frozen=True, slots=True)
class Source:
    """A URL that may be fetched: ``exempt`` from the address rule when the operator has named its host."""

    url: httpx.URL
    host: str
    port: int
    exempt: bool


@dataclass(frozen=True, slots=True)
class UrlRules:
    """``ports`` that may be used; ``allow_hosts`` (``host:port``) are exempt from the port and address
    rules.
    """

    ports: frozenset[int]
    allow_hosts: frozenset[str]

    def check(self, text: str) -> Source:
        """Raises SourceUrlRefused with the rule that is broken."""
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
            raise _refused("form", "has no host name behind http:// or https://")
        if "@" in authority["authority"] or url.userinfo:
            raise _refused("credentials", "must not hold a user name or password")
        host = url.raw_host.decode("ascii")  # IDNA: what the resolver is asked, not what people read
        if not _HOST.fullmatch(f"[{host}]" if ":" in host else host):
            raise _refused("host", "has no valid host name")
        port = url.port or DEFAULT_PORTS[url.scheme]
        exempt = f"{host}:{port}" in self.allow_hosts
        if port not in self.ports and not exempt:
            raise _refused("port", f"uses port {port}; allowed: {', '.join(map(str, sorted(self.ports)))}")
        return Source(url, host, port, exempt)

    def follow(self, source: Source, location: str) -> Source:
        """Where a redirect leads, relative to the URL that was asked for (not to the pinned address).

        Raises SourceUrlRefused with the rule that is broken.
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
    """A scheme, where there is one, is http or https. Before all else: no parser agrees on the others."""
    scheme = _SCHEME.match(text)
    if scheme and scheme[0].lower() not in DEFAULT_PORTS:
        raise _refused("scheme", f"{whose} must begin with http:// or https://".strip())


def _check_characters(text: str) -> None:
    if len(text) > MAX_URL or any(char <= " " or char in '\\<>"^`{|}\x7f' for char in text):
        raise _refused("characters", "is too long or holds characters that must be percent-encoded")


def _refused(rule: str, what: str) -> SourceUrlRefused:
    return SourceUrlRefused(f"the source URL {what}", metadata={"rule": rule})
