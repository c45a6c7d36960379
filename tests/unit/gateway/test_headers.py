"""Headers that go with a file's bytes."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.headers import SANDBOX, content_disposition, content_headers, is_inert, media_type

ASCII = re.compile(r'(inline|attachment)(; filename="[\x20-\x7e]*")?(; filename\*=UTF-8\'\'[!-~]*)?')


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("cat.png", 'inline; filename="cat.png"'),
        ("", "inline"),
        ("   ", "inline"),
        ('a"b.txt', "inline; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"),
        ("100%.txt", "inline; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("Müller.pdf", "inline; filename=\"Muller.pdf\"; filename*=UTF-8''M%C3%BCller.pdf"),
        ("猫.png", "inline; filename=\"_.png\"; filename*=UTF-8''%E7%8C%AB.png"),
        ("../../etc/passwd", 'inline; filename=".._.._etc_passwd"'),
        ("..", 'inline; filename="_"'),
        ("a\r\nSet-Cookie: x", 'inline; filename="a__Set-Cookie: x"'),
        ("exe.\u202egpj", 'inline; filename="exe._gpj"'),
    ],
)
def test_names(name: str, wanted: str) -> None:
    assert content_disposition("inline", name) == wanted


@given(st.text(max_size=300))
def test_any_name_is_one_header_and_comes_back(name: str) -> None:
    value = content_disposition("attachment", name)
    assert ASCII.fullmatch(value)
    extended = value.partition("filename*=UTF-8''")[2]
    assert unquote(extended, errors="strict").encode() is not None


@pytest.mark.parametrize(
    ("given_type", "wanted"),
    [
        ("image/png", "image/png"),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ('text/plain; a="b c"', 'text/plain; a="b c"'),
        ("", "application/octet-stream"),
        ("text", "application/octet-stream"),
        ("text/html\r\nX: y", "application/octet-stream"),
        ("text/html, text/css", "application/octet-stream"),
        ("téxt/plain", "application/octet-stream"),
        ("a/" + "b" * 400, "application/octet-stream"),
    ],
)
def test_media_types(given_type: str, wanted: str) -> None:
    assert media_type(given_type) == wanted


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/xml",
        "application/javascript",
        "text/plain",
        "application/zip",
        "nonsense",
    ],
)
def test_what_a_browser_could_run_is_an_attachment_in_a_sandbox(kind: str) -> None:
    headers = dict(content_headers(kind, "x", corp="same-origin"))
    assert headers[b"content-security-policy"].decode() == SANDBOX
    assert headers[b"content-disposition"].startswith(b"attachment")


@pytest.mark.parametrize(
    "kind", ["image/png", "video/mp4", "IMAGE/JPEG", "audio/mpeg; codecs=mp3", "application/pdf"]
)
def test_inert_types_go_inline(kind: str) -> None:
    headers = dict(content_headers(kind, "x", corp="cross-origin"))
    assert is_inert(kind)
    assert b"content-security-policy" not in headers
    assert headers[b"content-disposition"].startswith(b"inline")
    assert headers[b"cross-origin-resource-policy"] == b"cross-origin"


def test_attachment_on_demand() -> None:
    headers = dict(content_headers("image/png", "x", corp="same-origin", attachment=True))
    assert headers[b"content-disposition"].startswith(b"attachment")
