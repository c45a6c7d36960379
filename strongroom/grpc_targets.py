"""Targets of gRPC: ``host:port``, or with a scheme of its name resolution (``dns:``, ``unix:``)."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

MAX_PORT: Final = 65535
_UNIX: Final = ("unix:", "unix-abstract:")
_OF_URLS: Final = re.compile(r"(https?|grpcs?|tcp)://", re.IGNORECASE)


def is_loopback(target: str) -> bool:
    """Whether a target is on this machine: ``unix:…``, localhost or loopback IPs, with or without a scheme.

    ``ipv4:`` and ``ipv6:`` may name several addresses, separated by commas.
    """
    if target.startswith(_UNIX):
        return True
    return all(_is_loopback(_host_and_port(one)[0]) for one in _addresses(target))


def wrong_target(target: str) -> str:
    """Why ``target`` can't be one, or ``""``.

    gRPC takes the scheme of a URL for a name, and a port modulo 65536, which is then another service's.
    """
    if found := _OF_URLS.match(target):
        return f"write host:port, without {found[0]}"
    if target.startswith(_UNIX):
        return ""
    if not target.isprintable() or " " in target:
        return "it contains a blank or a control character"
    ports = [_host_and_port(one)[1] for one in _addresses(target)]
    if any(port.isdecimal() and not 0 < int(port) <= MAX_PORT for port in ports):
        return f"ports end at {MAX_PORT}"
    return ""


def past_proxies(target: str) -> tuple[tuple[str, int], ...]:
    """Channel arguments that keep calls within this machine away from the proxies of ``http_proxy`` and the
    like, which gRPC would use for them, too.
    """
    return (("grpc.enable_http_proxy", 0),) if is_loopback(target) else ()


def _addresses(target: str) -> list[str]:
    last = target.rsplit("/", 1)[-1]
    return last.removeprefix("ipv4:").removeprefix("ipv6:").removeprefix("dns:").split(",")


def _host_and_port(address: str) -> tuple[str, str]:
    """``host:port``, ``[host]:port``; a port that isn't there is empty."""
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        return host, port.removeprefix(":")
    host, colon, port = address.rpartition(":")
    return (host, port) if colon else (address, "")


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
