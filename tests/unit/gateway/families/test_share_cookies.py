"""The cookie of a guest's session, and the detection of browsers."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.families.shares.guest_routes import _cookie, _path, _session, _wants_html
from gateway.upstream.call import Call
from strongroom.storage.v1.guest_pb2 import OpenShareResponse


def call(public_url: str = "", scheme: str = "http", root: str = "", **headers: str) -> Call:
    settings = SimpleNamespace(public_url=public_url, trusted_proxies=())
    return cast(
        "Call",
        SimpleNamespace(
            services=SimpleNamespace(settings=settings),
            scope={"scheme": scheme, "root_path": root, "client": ("192.0.2.1", 1)},
            path={"token": "t-_1"},
            header=lambda name: {"host": "files.example", **headers}.get(name),
        ),
    )


def cookie(given: Call) -> dict[str, Any]:
    """The cookie's attributes by lower-case name; True for those without a value."""
    opened = OpenShareResponse(session="abc")
    opened.session_expire_time.FromSeconds(int(time.time()) + 60)
    name, value = _cookie(given, "abc", opened)
    assert name == b"set-cookie"
    pairs = [part.strip().partition("=") for part in value.decode().split(";")]
    return {key.lower(): text or True for key, _, text in pairs}


@pytest.mark.parametrize(
    ("given", "secure"),
    [
        (call(), False),
        (call(scheme="https"), True),
        (call(public_url="https://files.example"), True),
        (call(public_url="http://files.example", scheme="https"), False),
    ],
)
def test_it_is_for_this_share_and_out_of_reach(given: Call, secure: bool) -> None:
    found = cookie(given)
    assert found["strongroom_share"] == "abc"
    assert found["path"] == "/s/t-_1"
    assert found["httponly"]
    assert found["samesite"] == "Strict"
    assert found["expires"].endswith(" GMT")
    assert "domain" not in found
    assert ("secure" in found) == secure


def test_behind_a_prefix_its_path_is_the_browser_s() -> None:
    assert cookie(call(root="/files"))["path"] == _path(call(root="/files")) == "/files/s/t-_1"


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        ("", ""),
        ("strongroom_share=abc", "abc"),
        ("a=b; strongroom_share=abc; c=d", "abc"),
        ("strongroom_share=old; strongroom_share=abc", "abc"),
        ("xstrongroom_share=no", ""),
        ("strongroom_share=" + "x" * 1025, ""),
        ("strongroom_share=\u00e9", ""),
        (";;=;strongroom_share", ""),
    ],
)
def test_which_session_is_sent(sent: str, found: str) -> None:
    assert _session(call(cookie=sent)) == found


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("*/*", False),
        ("", False),
        ("application/json", False),
        ("application/json, text/html", False),
        ("image/avif,image/webp,*/*;q=0.8", False),
    ],
)
def test_browsers_get_pages_and_programs_json(accept: str, html: bool) -> None:
    assert _wants_html(call(accept=accept)) == html
