"""A text's encoding: the client's declaration, else the one that its bytes show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage_service.content.sniffing import charset_of, has_charset, is_text, is_utf8
from storage_service.content.types import ContentRules
from storage_service.projects.file_types import described
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec, UploadTarget

RULES = ContentRules({})
JAPANESE = "é 日本"


def _describe(content_type: str, head: bytes, filename: str = "a") -> str:
    spec = UploadSpec(target=UploadTarget(file=FileTarget()), content_type=content_type, filename=filename)
    return RULES.describe(spec, head)


@pytest.mark.parametrize(
    ("declared", "head", "stored"),
    [
        ("text/plain; charset=iso-8859-1", "é".encode("latin-1"), "text/plain; charset=iso-8859-1"),
        ('text/html;version=5;CHARSET="Windows-1252"', b"x", "text/html; charset=windows-1252"),
        ("text/plain;charset=UTF-8", JAPANESE.encode(), "text/plain; charset=utf-8"),
        ("text/plain", JAPANESE.encode(), "text/plain; charset=utf-8"),
        ("text/plain", b"only ASCII", "text/plain; charset=utf-8"),
        ("text/plain", "é".encode("latin-1"), "text/plain"),
        ("text/csv", JAPANESE.encode("utf-16"), "text/csv; charset=utf-16"),
        ("text/csv", JAPANESE.encode("utf-8-sig"), "text/csv; charset=utf-8"),
        ("text/css", b"a {}", "text/css; charset=utf-8"),
        ("text/javascript", JAPANESE.encode(), "text/javascript; charset=utf-8"),
        ("application/javascript", JAPANESE.encode(), "application/javascript; charset=utf-8"),
        ("image/svg+xml", b"<svg/>", "image/svg+xml; charset=utf-8"),
        ("application/xml", b"<a/>", "application/xml; charset=utf-8"),
        ("application/xhtml+xml", b"<html/>", "application/xhtml+xml; charset=utf-8"),
        ("text/plain; charset=x\r\ny: z", JAPANESE.encode(), "text/plain; charset=utf-8"),
        ("text/plain; charset=", JAPANESE.encode(), "text/plain; charset=utf-8"),
        ("text/plain; charset=" + "x" * 99, b"\xff", "text/plain"),
        ("application/json; charset=utf-8", b"{}", "application/json"),
        ("application/json", b"{}", "application/json"),
        ("application/octet-stream", b"\0\1", "application/octet-stream"),
        ("video/mp4; codecs=avc1", b"\0\0\0\x14ftypmp42", "video/mp4"),
        ("", JAPANESE.encode(), "text/plain; charset=utf-8"),
        ("text/plain", b"", "text/plain"),
    ],
)
def test_a_type_is_stored_with_its_charset(declared: str, head: bytes, stored: str) -> None:
    assert _describe(declared, head) == stored


@pytest.mark.parametrize(
    ("path", "content", "stored"),
    [
        ("index.html", JAPANESE.encode(), "text/html; charset=utf-8"),
        ("a.css", b"", "text/css; charset=utf-8"),
        ("js/a.mjs", b"1", "text/javascript; charset=utf-8"),
        ("logo.svg", b"<svg/>", "image/svg+xml; charset=utf-8"),
        ("data.xml", b"<a/>", "application/xml; charset=utf-8"),
        ("data.json", b"{}", "application/json"),
        ("README", JAPANESE.encode(), "text/plain; charset=utf-8"),
        ("old.html", "é".encode("latin-1"), "text/html"),
        ("late.txt", b"a" * 200_000 + b"\xe9", "text/plain"),
        ("wide.txt", JAPANESE.encode("utf-16"), "text/plain; charset=utf-16"),
        ("a.wasm", b"\0asm", "application/wasm"),
    ],
)
def test_files_of_projects_are_looked_at_whole(path: str, content: bytes, stored: str) -> None:
    halves = (content[: len(content) // 2], content[len(content) // 2 :])
    assert described(RULES, path, halves) == stored


@given(st.text(max_size=50), st.integers(0, 200))
def test_utf8_cut_anywhere_is_utf8(text: str, cut: int) -> None:
    raw = text.replace("\0", "").encode()
    assert is_utf8((raw[:cut], raw[cut:]), whole=True)
    assert is_utf8((raw[:cut],), whole=False)
    assert charset_of(raw[:cut]) in ({"utf-8"} if raw[:cut] else {""})


@pytest.mark.parametrize(
    ("head", "strict", "legacy"),
    [
        (b"words\r\n\t\x0c", True, True),
        ("Größe".encode("cp1252"), False, True),
        (b"\xff\xfe\x00", True, True),
        (b"a\0b", False, False),
        (b"\x00\x9f\x00\x01", False, False),
        (bytes(range(256)), False, False),
        (b"\xff\xfe" + b"\x01\x00" * 4, False, False),
    ],
)
def test_what_text_is(head: bytes, strict: bool, legacy: bool) -> None:
    assert is_text(head, legacy=False) is strict
    assert is_text(head, legacy=True) is legacy


def test_which_types_take_a_charset() -> None:
    assert all(map(has_charset, ("text/x-python", "application/atom+xml", "application/x-sh")))
    assert not any(map(has_charset, ("application/json", "application/ld+json", "image/png", "font/woff2")))
