"""Addresses, and which of them may be served in plaintext."""

from __future__ import annotations

from pathlib import Path

import pytest

from servicekit.net import check_bind, is_loopback, join_address, split_address
from servicekit.settings import CommonSettings, SettingError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:50051", "127.0.0.1", 50051),
        ("localhost:0", "localhost", 0),
        ("[::1]:65535", "::1", 65535),
        ("db.internal:1", "db.internal", 1),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert split_address(text) == (host, port)
    assert join_address(host, port) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "host",
        "host:",
        "host:x",
        "host:-1",
        "host:65536",
        "::1:80",
        "[x]:80",
        "[::1]",
        "a:b:1",
        "h:٣",
    ],
)
def test_no_addresses(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_address(text)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST", "a.localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example", "localhost.example", "db", ""]
)
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_plaintext_only_on_loopback_or_when_said_so() -> None:
    plain = CommonSettings(auth="optional")
    allowed = CommonSettings(auth="optional", allow_plaintext=True)
    secure = CommonSettings(auth="optional", tls_cert=Path("c"), tls_key=Path("k"))
    assert check_bind(plain, "X", "127.0.0.1:1") == ("127.0.0.1", 1)
    for settings in (allowed, secure):
        assert check_bind(settings, "X", "0.0.0.0:1") == ("0.0.0.0", 1)
    for bind in ("0.0.0.0:1", "[::]:1", "10.0.0.1:1", "nonsense"):
        with pytest.raises(SettingError, match=r"^STRONGROOM_X_BIND: "):
            check_bind(plain, "STRONGROOM_X_BIND", bind)
