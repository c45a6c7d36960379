"""Inline types, and the escaping of names. STRONGROOM_NAMES_CORPUS: a folder of hostile ones."""

from __future__ import annotations

import base64
import json
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from servicekit.presentation import (
    INERT_TYPES,
    content_disposition,
    disposition_of,
    is_inert,
    media_type,
    shown_name,
)

ASCII = re.compile(r'(inline|attachment)(; filename="[\x20-\x7e]*")?(; filename\*=UTF-8\'\'[!-~]*)?')
BIDI: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
FAMILY: Final = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
ENGLAND: Final = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("cat.png", 'inline; filename="cat.png"'),
        ("", "inline"),
        ("   ", "inline"),
        ('a"b.txt', "inline; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"),
        ("it's (1);b.txt", 'inline; filename="it\'s (1);b.txt"'),
        ("100%.txt", "inline; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("Müller.pdf", "inline; filename=\"Muller.pdf\"; filename*=UTF-8''M%C3%BCller.pdf"),
        ("猫.png", "inline; filename=\"_.png\"; filename*=UTF-8''%E7%8C%AB.png"),
        ("../../etc/passwd", 'inline; filename=".._.._etc_passwd"'),
        (r"..\a.txt", 'inline; filename=".._a.txt"'),
        ("..", 'inline; filename="_"'),
        (". . .", 'inline; filename="_"'),
        (".gitignore", 'inline; filename=".gitignore"'),
        ("a\r\nSet-Cookie: x", 'inline; filename="a__Set-Cookie: x"'),
        ("exe.\u202egpj", 'inline; filename="exe._gpj"'),
        ("a\u2028b\x00c\x85", 'inline; filename="a_b_c_"'),
        ("a\uff0fb.txt", "inline; filename=\"a_b.txt\"; filename*=UTF-8''a%EF%BC%8Fb.txt"),
        ("\uff0e\uff0e", "inline; filename=\"_\"; filename*=UTF-8''%EF%BC%8E%EF%BC%8E"),
    ],
)
def test_names(name: str, wanted: str) -> None:
    assert content_disposition("inline", name) == wanted


@pytest.mark.parametrize(
    "name",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.pdf",  # Persian, with a non-joiner
        f"{FAMILY}.png",
        f"{ENGLAND}.png",
        "\u0915\u094d\u200d\u0937.txt",  # Devanagari, with a joiner
        "\u0bb8\u0bcd\u0bb0\u0bc0\u200c.txt",
        "\u0600\u0661.txt",  # an Arabic number sign is of category Cf, too
        "\u0e20\u0e32\u0e29\u0e32\u200b\u0e44\u0e17\u0e22.txt",  # Thai, where words may be parted
    ],
)
def test_marks_of_spelling_stay(name: str) -> None:
    value = content_disposition("attachment", name)
    assert unquote(value.partition("filename*=UTF-8''")[2]) == name


@pytest.mark.parametrize("mark", BIDI)
def test_marks_of_reading_order_are_replaced(mark: str) -> None:
    assert shown_name(f"a{mark}gpj.exe") == "a_gpj.exe"


@pytest.mark.parametrize("name", ["Silben\u00adtrennung.pdf", "\ufeffSilbentrennung.pdf"])
def test_what_is_no_part_of_a_name_goes(name: str) -> None:
    assert shown_name(name) == "Silbentrennung.pdf"


@pytest.mark.parametrize(
    ("name", "end"),
    [("a" * 300 + ".txt", ".txt"), ("猫" * 100 + ".jpeg", ".jpeg"), ("." + "b" * 300, "b"), ("x" * 300, "x")],
)
def test_long_names_lose_the_end_of_their_stem(name: str, end: str) -> None:
    shown = shown_name(name)
    assert 250 < len(shown.encode()) <= 255
    assert shown.endswith(end)
    assert name.startswith(shown.removesuffix(end))


@given(st.text(max_size=300))
@example("\ud800")
@example("a" * 252 + "\U0001f468.txt")
@example("\u00ad.\ufeff.")
def test_any_name_is_one_header_and_comes_back(name: str) -> None:
    value = content_disposition("attachment", name)
    assert ASCII.fullmatch(value)
    shown = shown_name(name)
    kind, options = parse_options_header(value)
    assert (kind, options.get("filename", "")) == ("attachment", shown)
    assert len(shown.encode()) <= 255
    assert not set(shown) & set(f"/\\\r\n\0{BIDI}")
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in shown)
    plain = value.partition('filename="')[2].partition('"')[0]
    assert not set(plain) & set('/\\%"')
    assert bool(plain) == bool(shown)
    assert plain not in {".", ".."}
    assert shown_name(shown) == shown


def _corpus() -> Iterator[str]:
    folder = os.environ.get("STRONGROOM_NAMES_CORPUS")
    if folder is None:
        return
    for path in sorted(Path(folder).rglob("*.jsonl")):
        for line in path.read_text().splitlines():
            if text := json.loads(line).get("s_b64"):
                yield base64.b64decode(text).decode("utf-8", "surrogateescape")
    for path in sorted(Path(folder).rglob("*.json")):
        yield from (text for text in json.loads(path.read_text()) if isinstance(text, str))


def test_hostile_names() -> None:
    names = [
        *_corpus(),
        "a;filename=b.exe",
        'x"; filename="y.exe',
        "con.txt",
        "a\x00.png",
        "%0d%0aX: y",
        "~/.ssh",
    ]
    for name in names:
        value = content_disposition("attachment", name)
        assert ASCII.fullmatch(value), name
        _, options = parse_options_header(value)
        assert options.get("filename", "") == shown_name(name), name


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
        "text/javascript",
        "text/plain",
        "x",
        "",
    ],
)
def test_what_a_browser_could_run_is_an_attachment(kind: str) -> None:
    assert not is_inert(kind)
    assert disposition_of(kind) == "attachment"


@pytest.mark.parametrize("kind", [*sorted(INERT_TYPES), "IMAGE/JPEG", "audio/mpeg; codecs=mp3"])
def test_what_runs_nothing_is_inline_but_on_demand(kind: str) -> None:
    assert disposition_of(kind) == "inline"
    assert disposition_of(kind, attachment=True) == "attachment"
