"""Rules of RFC 9112 for a request's head that llhttp does not check, and the detection of WebSocket
handshakes.

llhttp (used through httptools) refuses request smuggling: Content-Length beside Transfer-Encoding or twice,
bare CR and LF, folded lines, blanks before a colon, chunk sizes that are not hexadecimal.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

import httptools
from websockets.exceptions import InvalidHeader
from websockets.headers import parse_extension, parse_subprotocol

Headers: TypeAlias = list[tuple[bytes, bytes]]

#: Framing bytes of a chunked body (sizes, extensions, trailers) that are always accepted. Beyond these, the
#: whole may take four times the data, so that chunks of one byte and endless extensions or trailers are
#: refused.
FREE_FRAMING_BYTES: Final = 64 * 1024
MAX_FRAMING: Final = 4
#: RFC 3986: reg-name or IP-literal, and a port.
_HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Za-z:.%_~-]+\])(?::[0-9]{0,5})?")
_METHOD: Final = re.compile(rb"\s*[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64} [^ ]+ HTTP/")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response in place of the application's. The connection is closed after it."""

    status: int
    code: str
    detail: str


def malformed(detail: str, status: int = 400) -> Refusal:
    """The refusal of a malformed request."""
    return Refusal(status, "MALFORMED_REQUEST", detail)


def values_of(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """The values of a header, one for each line."""
    return [value.strip(b" \t") for found, value in headers if found == name]


def tokens_of(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """The members of a list-valued header, in lower case."""
    return _tokens(values_of(headers, name))


def _tokens(lines: list[bytes]) -> list[bytes]:
    return [token for part in b",".join(lines).split(b",") if (token := part.strip().lower())]


def head_fault(method: bytes, version: str, url: bytes, headers: Headers) -> Refusal | None:
    """The reason to refuse a head that llhttp has accepted; None: it is valid."""
    if version not in {"1.0", "1.1"}:
        return malformed(f"HTTP/{version} is not supported; send HTTP/1.1.", 505)
    if method == b"CONNECT":
        return Refusal(501, "METHOD_NOT_ALLOWED", "CONNECT is not supported: this is not a proxy.")
    hosts: list[bytes] = []
    codings: list[bytes] = []
    for name, value in headers:
        if name == b"host":
            hosts.append(value.strip(b" \t"))
        elif name == b"transfer-encoding":
            codings.append(value)
    return _host_fault(version, hosts) or _coding_fault(version, codings) or _target_fault(method, url)


def _host_fault(version: str, hosts: list[bytes]) -> Refusal | None:
    """RFC 9112 section 3.2."""
    if not hosts and version == "1.1":
        return malformed("The Host header is missing; HTTP/1.1 asks for it.")
    if len(hosts) > 1:
        return malformed("The Host header is there more than once.")
    if hosts and not _HOST.fullmatch(hosts[0]):
        return malformed("The Host header is not a host name with an optional port.")
    return None


def _coding_fault(version: str, lines: list[bytes]) -> Refusal | None:
    """RFC 9112 section 6.1."""
    if not lines:
        return None
    codings = _tokens(lines)
    if codings and version == "1.0":
        return malformed("HTTP/1.0 has no Transfer-Encoding; send Content-Length.")
    if codings and codings != [b"chunked"]:
        return malformed("The only supported Transfer-Encoding is chunked.", 501)
    return None


def _target_fault(method: bytes, url: bytes) -> Refusal | None:
    """RFC 9112 section 3.2.1-4."""
    if b"#" in url:
        return malformed("The address of a request holds no fragment (#).")
    if url.startswith(b"*"):
        whole = (method, url) == (b"OPTIONS", b"*")
        return None if whole else malformed("Only OPTIONS takes * as its address.")
    if not url.startswith(b"/") and httptools.parse_url(url).userinfo:
        return malformed("The address of a request holds no user name or password.")
    return None


def authority_of(url: bytes) -> bytes | None:
    """Host and port of a target in absolute form, which override Host (RFC 9112 section 3.2.2); None for
    other forms.
    """
    if url.startswith((b"/", b"*")):
        return None
    parsed = httptools.parse_url(url)
    if not parsed.host:
        return None
    host = b"[%s]" % parsed.host if b":" in parsed.host else parsed.host
    return b"%s:%d" % (host, parsed.port) if parsed.port else bytes(host)


def is_websocket_handshake(method: bytes, version: str, headers: Headers) -> bool:
    """Whether the head is a WebSocket handshake (RFC 6455 section 4.2.1). Otherwise it is plain HTTP, whose
    Upgrade is ignored (RFC 9110 section 7.8).
    """
    keys = values_of(headers, b"sec-websocket-key")
    return (
        method == b"GET"
        and version == "1.1"
        and tokens_of(headers, b"upgrade") == [b"websocket"]
        and b"upgrade" in tokens_of(headers, b"connection")
        and values_of(headers, b"sec-websocket-version") == [b"13"]
        and len(keys) == 1
        and _is_nonce(keys[0])
        and not values_of(headers, b"transfer-encoding")
        and not any(value.strip(b"0") for value in values_of(headers, b"content-length"))
        and _can_be_read(parse_subprotocol, values_of(headers, b"sec-websocket-protocol"))
        and _can_be_read(parse_extension, values_of(headers, b"sec-websocket-extensions"))
    )


def _can_be_read(parse: Callable[[str], object], values: list[bytes]) -> bool:
    try:
        for value in values:
            parse(value.decode("latin-1"))
    except InvalidHeader:
        return False
    return True


def _is_nonce(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def without_upgrade(method: bytes, version: str, url: bytes, headers: Headers) -> bytes:
    """The same head without its Upgrade."""
    lines = [b"%s %s HTTP/%s" % (method, url, version.encode("ascii"))]
    lines += [b"%s: %s" % (name, value) for name, value in headers if name != b"upgrade"]
    return b"\r\n".join([*lines, b"", b""])


def unreadable(data: bytes) -> Refusal:
    """The refusal of bytes that llhttp refuses. Unknown methods get 501 (RFC 9110 section 9.1)."""
    known = data[:20].lstrip().split(b" ")[0].decode("latin-1")
    if _METHOD.match(data) and known not in _METHODS:
        return Refusal(
            501, "METHOD_NOT_ALLOWED", "This method is not supported; methods are written in capitals."
        )
    return malformed("This is not a valid HTTP/1.1 request.")


_METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
