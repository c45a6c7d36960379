"""Forwarded origins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.config import GatewaySettings
from gateway.operations.addresses import base_url, forwarded_origin, public_origin
from gateway.upstream.call import Call
from servicekit.settings import SettingError, read_settings
from tests.unit.gateway.calls import make_call


def call_from(
    peer: Any, headers: dict[str, str], trusted: str = "10.0.0.0/8,::1", public_url: str = ""
) -> Call:
    call = make_call(headers={"host": "inner.test", **headers})
    call.scope["client"] = peer
    settings = GatewaySettings(
        jwt_secret="a secret of thirty-two bytes or more", trusted_proxies=trusted, public_url=public_url
    )
    call.services = cast("Any", SimpleNamespace(settings=settings))
    return call


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({}, ""),
        ({"x-forwarded-proto": "https"}, "https://inner.test"),
        ({"x-forwarded-host": "files.test:8443"}, "http://files.test:8443"),
        ({"x-forwarded-proto": "http, HTTPS", "x-forwarded-host": "a.test, b.test"}, "https://b.test"),
        ({"x-forwarded-host": "[2001:db8::1]:80"}, "http://[2001:db8::1]:80"),
        ({"x-forwarded-proto": "javascript"}, ""),
        ({"x-forwarded-host": "a.test/b"}, ""),
        ({"x-forwarded-host": "user@a.test"}, ""),
    ],
)
def test_origins(headers: dict[str, str], origin: str) -> None:
    assert forwarded_origin(call_from(("10.1.2.3", 5), headers)) == origin


@pytest.mark.parametrize("peer", [None, ("192.0.2.1", 5), ("", 0), ("/run/socket", 0)])
def test_others_are_not_believed(peer: Any) -> None:
    headers = {"x-forwarded-proto": "https", "x-forwarded-host": "evil.test"}
    assert forwarded_origin(call_from(peer, headers)) == ""


def test_a_network_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_JWT_SECRET", "a secret of thirty-two bytes or more")
    monkeypatch.setenv("STRONGROOM_TRUSTED_PROXIES", "10.0.0.0/8, proxy")
    with pytest.raises(SettingError, match="STRONGROOM_TRUSTED_PROXIES"):
        read_settings(GatewaySettings)


@pytest.mark.parametrize(
    ("peer", "headers", "public_url", "origin", "base"),
    [
        ("10.1.2.3", {}, "", "", "http://inner.test"),
        ("10.1.2.3", {"x-forwarded-proto": "https"}, "", "https://inner.test", "https://inner.test"),
        ("192.0.2.1", {"x-forwarded-host": "evil.test"}, "", "", "http://inner.test"),
        (
            "10.1.2.3",
            {"x-forwarded-host": "a.test"},
            "https://b.test/s/",
            "https://b.test/s",
            "https://b.test/s",
        ),
        ("10.1.2.3", {"host": "[::1]:8080"}, "", "", "http://[::1]:8080"),
        ("10.1.2.3", {"host": "a.test/x?"}, "", "", ""),
        ("10.1.2.3", {"host": ""}, "", "", ""),
    ],
)
def test_what_our_urls_begin_with(
    peer: str, headers: dict[str, str], public_url: str, *, origin: str, base: str
) -> None:
    call = call_from((peer, 5), headers, public_url=public_url)
    assert (public_origin(call), base_url(call)) == (origin, base)


@pytest.mark.parametrize(
    "url",
    ["files.test", "ftp://a.test", "https://", "https://u:p@a.test", "https://a.test?x=1", "https://a.test#x",
     "https://a b.test", "https://a.test:99999", "https://a.test:0", "//a.test", "https://a.test/\r\nX: y"],
)  # fmt: skip
def test_a_public_url_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("STRONGROOM_JWT_SECRET", "a secret of thirty-two bytes or more")
    monkeypatch.setenv("STRONGROOM_PUBLIC_URL", url)
    with pytest.raises(SettingError, match="STRONGROOM_PUBLIC_URL"):
        read_settings(GatewaySettings)


def test_a_public_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_JWT_SECRET", "a secret of thirty-two bytes or more")
    for url in ("http://localhost:8080", "https://a.test/files/", "https://[2001:db8::1]:8443", ""):
        monkeypatch.setenv("STRONGROOM_PUBLIC_URL", url)
        assert read_settings(GatewaySettings).public_url == url.rstrip("/")
