"""Which head is a WebSocket handshake (RFC 6455 section 4.2.1)."""

from __future__ import annotations

import pytest

from gateway.server.request_head import is_websocket_handshake

KEY = (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ==")
HANDSHAKE = [
    (b"upgrade", b"WebSocket"),
    (b"connection", b"keep-alive, Upgrade"),
    (b"sec-websocket-version", b"13"),
    KEY,
]


def test_a_handshake() -> None:
    assert is_websocket_handshake(b"GET", "1.1", HANDSHAKE)
    assert is_websocket_handshake(b"GET", "1.1", [*HANDSHAKE, (b"content-length", b"0")])


@pytest.mark.parametrize("name", [name for name, _ in HANDSHAKE])
def test_each_of_its_headers_is_needed(name: bytes) -> None:
    assert not is_websocket_handshake(b"GET", "1.1", [one for one in HANDSHAKE if one[0] != name])


@pytest.mark.parametrize(
    "more",
    [
        (b"upgrade", b"h2c"),
        KEY,
        (b"sec-websocket-version", b"8"),
        (b"transfer-encoding", b"chunked"),
        (b"content-length", b"1"),
        (b"sec-websocket-protocol", b"a b"),
        (b"sec-websocket-extensions", b";"),
    ],
    ids=lambda more: more[0].decode(),
)
def test_what_is_no_handshake(more: tuple[bytes, bytes]) -> None:
    assert not is_websocket_handshake(b"GET", "1.1", [*HANDSHAKE, more])


@pytest.mark.parametrize(("method", "version"), [(b"POST", "1.1"), (b"GET", "1.0")])
def test_it_is_a_get_of_http_1_1(method: bytes, version: str) -> None:
    assert not is_websocket_handshake(method, version, HANDSHAKE)
