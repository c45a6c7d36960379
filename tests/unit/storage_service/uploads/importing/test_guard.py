"""Which URLs and addresses an import may reach. SSRF_CORPUS names a folder of more cases (JSON lines)."""

from __future__ import annotations

import ipaddress
import json
import os
from pathlib import Path
from typing import Any

import pytest

from servicekit.outbound import SystemResolver, UrlRules, check_addresses, is_public
from strongroom.errors import SourceUrlRefused, StrongroomError

RULES = UrlRules(frozenset({80, 443, 8080}), frozenset({"localhost:9000"}))


@pytest.mark.parametrize(
    "address",
    ["93.184.215.14", "172.15.255.255", "100.128.0.1", "11.0.0.1", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
)
def test_public_addresses(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.1.1",
        "100.64.1.1",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "224.0.0.251",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:ff3f",
        "fc00::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


def test_one_private_address_among_public_ones_is_enough() -> None:
    with pytest.raises(SourceUrlRefused):
        check_addresses([ipaddress.ip_address("93.184.215.14"), ipaddress.ip_address("10.0.0.1")])


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("file:///etc/passwd", "scheme"),
        ("gopher://example.com/", "scheme"),
        ("http://user@example.com/", "credentials"),
        ("http://user:pw@example.com/", "credentials"),
        ("http://@example.com/", "credentials"),
        ("http://example.com:22/", "port"),
        ("http://example.com:0/", "port"),
        ("http://example.com\\@127.0.0.1/", "characters"),
        ("http://exa mple.com/", "characters"),
        ("http://example.com/\r\nHost: x", "characters"),
        ("http:///x", "host"),
        ("http://" + "a" * 9000, "characters"),
    ],
)
def test_urls_that_are_refused_name_the_rule(url: str, rule: str) -> None:
    with pytest.raises(SourceUrlRefused) as refused:
        RULES.check(url)
    assert refused.value.metadata["rule"] == rule


def test_urls_that_pass() -> None:
    assert RULES.check("https://example.com/a%20b?x=http://127.0.0.1/").port == 443
    assert RULES.check("https://bücher.example/").host == "xn--bcher-kva.example"
    assert RULES.check("http://localhost:9000/").exempt
    assert not RULES.check("http://localhost:8080/").exempt


OWN_BLOCKED = ({"url": "http://2130706433/"}, {"url": "http://0177.1/"}, {"url": "http://[::ffff:7f00:1]/"})
OWN_ALLOWED = (
    {"url": "http://93.184.215.14/"},
    {"url": "https://bücher.example/", "resolve": ["93.184.215.14"]},
)


def _cases(name: str, own: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    folder = os.environ.get("SSRF_CORPUS")
    lines = (Path(folder) / name).read_text().splitlines() if folder else []
    return [*own, *map(json.loads, lines)]


@pytest.mark.parametrize("case", _cases("urls_must_block.jsonl", OWN_BLOCKED), ids=lambda case: case["url"])
async def test_must_block(case: dict[str, Any]) -> None:
    with pytest.raises(StrongroomError):
        await _reach(case)


@pytest.mark.parametrize("case", _cases("urls_must_allow.jsonl", OWN_ALLOWED), ids=lambda case: case["url"])
async def test_must_allow(case: dict[str, Any]) -> None:
    assert await _reach(case)


async def _reach(case: dict[str, Any]) -> bool:
    source = RULES.check(case["url"])
    if case.get("resolve"):
        addresses = [ipaddress.ip_address(text) for text in case["resolve"]]
    else:
        addresses = list(await SystemResolver().resolve(source.host, source.port))
    check_addresses(addresses)
    return True


SOURCE = RULES.check("http://origin.example/a/b?c")


@pytest.mark.parametrize(
    "location",
    [
        "data:image/png;base64,AAAA",
        "data:,<b> \\x",
        'javascript:alert("1")',
        "JavaScript:1",
        "blob:http://origin.example/1",
        "about:blank",
        "mailto:a@example.com",
        "urn:isbn:1",
        "jar:http://origin.example/a!/b",
        "view-source:http://origin.example/",
        "file:etc/passwd",
        "file:///etc/passwd",
        "ftp://origin.example/",
        "gopher://origin.example/",
        "ws://origin.example/",
        "unix:/run/a.sock",
        "a+b-c.d:e",
        "chrome-extension://a/",
        "http+unix://a/",
    ],
)
def test_redirects_to_other_schemes(location: str) -> None:
    for check in (RULES.check, lambda text: RULES.follow(SOURCE, text)):
        with pytest.raises(SourceUrlRefused) as refused:
            check(location)
        assert refused.value.metadata["rule"] == "scheme"


@pytest.mark.parametrize(
    ("location", "rule"),
    [
        ("", "form"),
        ("  ", "form"),
        ("http:", "form"),
        ("http:foo", "form"),
        ("http:/foo", "form"),
        ("https:///foo", "host"),
        ("http://", "form"),
        ("//", "form"),
        ("//user@origin.example/", "credentials"),
        ("//user:secret@origin.example/", "credentials"),
        ("http://user@origin.example/", "credentials"),
        ("http://origin.example:99999/", "port"),
        ("http://origin.example:x/", "form"),
        ("http://[::1/", "form"),
        ("//[x]/", "form"),
        ("http://a..b/", "host"),
        ("http://\u2100.example/", "form"),
        ("/a b", "characters"),
        ("/a\r\nSet-Cookie: b", "characters"),
        ("/\x00", "characters"),
        ("\\\\origin.example\\a", "characters"),
        ("/" + "a" * 9000, "characters"),
        ("//" + "a" * 300 + ".example/", "host"),
        ("http://origin.example:22/", "port"),
    ],
)
def test_redirects_to_no_good_url(location: str, rule: str) -> None:
    with pytest.raises(SourceUrlRefused) as refused:
        RULES.follow(SOURCE, location)
    assert refused.value.metadata["rule"] in (rule, "host", "form")


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("d", "http://origin.example/a/d"),
        ("/d", "http://origin.example/d"),
        ("?d", "http://origin.example/a/b?d"),
        ("../d", "http://origin.example/d"),
        ("//other.example/d", "http://other.example/d"),
        ("https://other.example", "https://other.example"),
        ("HTTP://other.example/", "http://other.example/"),
        ("/d:e", "http://origin.example/d:e"),
        ("./d:e", "http://origin.example/a/d:e"),
        ("/\u00e4", "http://origin.example/%C3%A4"),
        ("//b\u00fccher.example/", "http://xn--bcher-kva.example/"),
        ("#d", "http://origin.example/a/b?c#d"),
    ],
)
def test_redirects_that_are_followed(location: str, url: str) -> None:
    assert str(RULES.follow(SOURCE, location).url) == url
