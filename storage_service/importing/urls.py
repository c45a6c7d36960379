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
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}\.?|\[[0-9A-Fa-f:.]{2,45}\]")
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
        if len(text) > MAX_URL or any(char <= " " or char in '\\<>"^`{|}\x7f' for char in text):
            raise _refused("characters", "is too long or holds characters that must be percent-encoded")
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, ValueError) as error:
            raise _refused("form", "is not a valid URL") from error
        if url.scheme not in DEFAULT_PORTS:
            raise _refused("scheme", "must begin with http:// or https://")
        authority = _AUTHORITY.match(text)
        if authority is None or "@" in authority["authority"] or url.userinfo:
            raise _refused("credentials", "must not hold a user name or password")
        host = url.raw_host.decode("ascii")  # IDNA: what the resolver is asked, not what people read
        if not _HOST.fullmatch(f"[{host}]" if ":" in host else host):
            raise _refused("host", "has no valid host name")
        port = url.port or DEFAULT_PORTS[url.scheme]
        exempt = f"{host}:{port}" in self.allow_hosts
        if port not in self.ports and not exempt:
            raise _refused("port", f"uses port {port}; allowed: {', '.join(map(str, sorted(self.ports)))}")
        return Source(url, host, port, exempt)


def _refused(rule: str, what: str) -> SourceUrlRefused:
    return SourceUrlRefused(f"the source URL {what}", metadata={"rule": rule})
