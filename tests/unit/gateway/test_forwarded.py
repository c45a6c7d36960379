"""Forwarded origins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.call import Call
from gateway.config import GatewaySettings
from gateway.forwarded import forwarded_origin
from servicekit.settings import SettingError, read_settings
from tests.unit.gateway.calls import make_call


def call_from(peer: Any, headers: dict[str, str], trusted: str = "10.0.0.0/8,::1") -> Call:
    call = make_call(headers={"host": "inner.test", **headers})
    call.scope["client"] = peer
    settings = GatewaySettings(jwt_secret="a secret of thirty-two bytes or more", trusted_proxies=trusted)
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
