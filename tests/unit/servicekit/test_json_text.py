"""Users' JSON: which texts are refused, and that refusing is cheap."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from servicekit.json_text import (
    MAX_DEPTH,
    MAX_VALUES,
    LoneSurrogate,
    NotJson,
    joined_path,
    parse_json,
    parse_strict,
)

MIB = 1 << 20


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": [1, 2.5, true, null, "\xc3\xbc"]}', {"a": [1, 2.5, True, None, "ü"]}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ("\ufeff[]", []),
        (b' \t\r\n"x" ', "x"),
        (b'"\\ud83d\\ude00"', "😀"),
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, None),
        ('{"a":"' + "[" * 5000 + ',"}', {"a": "[" * 5000 + ","}),
        ('["' + '\\"[' * 5000 + '"]', ['"[' * 5000]),
        ('["' + "," * (MAX_VALUES + 1) + '"]', ["," * (MAX_VALUES + 1)]),
        ("12345678901234567890123456789", 12345678901234567890123456789),
    ],
)
def test_what_is_json(text: bytes | str, value: object) -> None:
    found = parse_json(text)
    assert value is None or found == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xef\xbb\xbf",
        b"{",
        b"{} {}",
        b"[1,]",
        b"{'a': 1}",
        b"[01]",
        b"[NaN]",
        b"[-Infinity]",
        b"[1e400]",
        b"[" + b"1" * 5000 + b"]",
        b"\xff",
        b'["\xed\xa0\x80"]',
        b'["a\nb"]',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-32-be"),
        b'\xef\xbb\xbf\xef\xbb\xbf{"a": 1}',
        b'{"a": 1, "a": 2}',
        b'{"x": [{"a": 1, "b": 0, "a": 1}]}',
    ],
)
def test_what_is_not(text: bytes) -> None:
    with pytest.raises(NotJson) as raised:
        parse_json(text)
    assert not isinstance(raised.value, LoneSurrogate)


@pytest.mark.parametrize(
    "text",
    [
        "[" * MIB,
        '{"a":' * (MIB // 5),
        '[{"a":' * (MIB // 6),
        '{"unknown": ' + "[" * MIB,
        '["\\"[", ' + "[ " * (MIB // 2),
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "[" + "[],[[]]," * 10_000 + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1) + "]",
        "[" + "[]," * (MIB // 3) + "[]]",
        "[" + "1," * (MIB // 2) + "1]",
        "[" + "{}," * (MIB // 3) + "{}]",
        "[" * (MAX_DEPTH + 1) + '"' + '\\"' * (MIB // 2) + "\\",
    ],
)
def test_shapes_that_cost_much_are_refused_for_little(text: str) -> None:
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(NotJson):
        parse_json(text)
    assert time.process_time() - began < 1
    assert tracemalloc.get_traced_memory()[1] < 20 * MIB
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (r'"\ud800"', ""),
        (r'{"a": "x\udc00y"}', "a"),
        (r'{"items": [{}, {"name": "\udc00\ud800"}]}', "items[1].name"),
        (r'{"a": {"b": ["\ud800\ud83d\ude00"]}}', "a.b[0]"),
        (r'{"a\ud800": 1}', "a?"),
        (r'{"a": "\\ud800", "b": "\\\ud800"}', "b"),
        (r'{"a": "\uDBFF\u0041"}', "a"),
    ],
)
def test_halves_of_pairs_are_named(text: str, path: str) -> None:
    with pytest.raises(LoneSurrogate) as raised:
        parse_json(text)
    assert joined_path(raised.value.place) == path


def test_an_escaped_backslash_begins_no_surrogate() -> None:
    assert parse_json(r'["\\ud800", "C:\\udc"]') == [r"\ud800", r"C:\udc"]


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 2}', "[NaN]", "-Infinity", "\ufeff{}", "{'a': 1}", "[" * 100_000, "1" * 5000, "", "{}x"],
)
def test_a_token_s_json_is_held_to_the_same_grammar(text: str) -> None:
    with pytest.raises(NotJson):
        parse_strict(text)


def test_what_a_token_s_claims_hold_is_its_reader_s_business() -> None:
    assert parse_strict('{"name": "\\ud800", "exp": 1e999}') == {"name": "\ud800", "exp": float("inf")}


def test_a_wide_text_that_is_deep_is_searched_without_writing_ways_out() -> None:
    depth, width = MAX_DEPTH - 1, 10_000
    text = "[" * depth + "0," * width + r'"\ud83d\ude00",["\ud800"]' + "]" * depth
    tracemalloc.start()
    with pytest.raises(LoneSurrogate) as raised:
        parse_json(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert raised.value.place == (*[0] * (depth - 1), width + 1, 0)
    assert peak < 4 * MIB
