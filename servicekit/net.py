"""Addresses: ``host:port`` texts, and hosts that are this machine."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final

from pydantic import AfterValidator

from servicekit.settings import CommonSettings, SettingError

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+")


def split_address(text: str) -> tuple[str, int]:
    """``host:port`` or ``[v6]:port`` → host (without brackets) and port.

    :raises ValueError: anything else, or a port outside of 0…65535.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not port.isascii() or int(port) > 65535:
        raise ValueError("write host:port")
    if host.startswith("[") and host.endswith("]"):
        return str(ipaddress.IPv6Address(host[1:-1])), int(port)
    if not host or ":" in host:
        raise ValueError("write host:port, an IPv6 host in brackets")
    return host, int(port)


#: Schemes of gRPC's name syntax, and whether their names have ports
#: (https://github.com/grpc/grpc/blob/master/doc/naming.md).
_SCHEMES: Final = {
    "dns": True,
    "ipv4": True,
    "ipv6": True,
    "unix": False,
    "unix-abstract": False,
    "xds": False,
}


def check_target(text: str) -> str:
    """Check the address of a service to call: ``host:port``, ``dns:///host:port`` (all of a name's
    addresses), ``ipv4:host:port,host:port``, or another of gRPC's names.

    :raises ValueError: it would be looked up in vain.
    """
    scheme, colon, rest = text.partition(":")
    if colon and scheme in _SCHEMES:
        each = rest.rpartition("/")[2].split(",") if _SCHEMES[scheme] else []
    else:
        rest, each = text, [text]
    try:
        possible = bool(rest) and all(_is_callable(*split_address(one)) for one in each)
    except ValueError:
        possible = False
    if not possible or not text.isascii() or any(character.isspace() for character in text):
        raise ValueError(f"{text!r} is not an address; write host:port or dns:///host:port")
    return text


def _is_callable(host: str, port: int) -> bool:
    return port > 0 and (":" in host or _HOST.fullmatch(host) is not None)


#: The address of a service that this process calls.
TargetAddress = Annotated[str, AfterValidator(check_target)]


def join_address(host: str, port: int) -> str:
    """The inverse of ``split_address``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether ``host`` (name or address, without port) can only be this machine."""
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_bind(settings: CommonSettings, name: str, bind: str) -> tuple[str, int]:
    """Host and port to listen on; ``name`` is the setting of ``bind``.

    :raises SettingError: not ``host:port``, or plaintext outside of loopback that was not allowed.
    """
    try:
        host, port = split_address(bind)
    except ValueError as error:
        raise SettingError(name, f"{bind!r} is not an address to listen on; {error}") from None
    if not (is_loopback(host) or settings.serves_tls or settings.allow_plaintext):
        raise SettingError(
            name,
            f"{bind} would serve plaintext outside of this machine; set STRONGROOM_TLS_CERT and"
            " STRONGROOM_TLS_KEY, or STRONGROOM_ALLOW_PLAINTEXT=true where something else encrypts",
        )
    return host, port
