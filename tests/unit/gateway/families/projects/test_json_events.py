"""The push parser of JSON compared with Python's, in pieces of every size."""

from __future__ import annotations

import json
import random
import time
from itertools import pairwise
from typing import Any

import pytest

from gateway.families.projects.json_events import Event, JsonEvents
from servicekit.json_text import NotJson

TEXTS = [
    b"{}",
    b" [ ] ",
    b'[[],[{}],{"a":[]}]',
    b'{"a": 1, "b": [true, false, null, -0.5e+3, 12], "c": {"d": "x"}}',
    b'"only a text"',
    b"-12.5",
    b"true",
    b'["\\"", "\\\\", "\\\\\\"", "\\u00fc\\n", "", "\\ud83d\\ude00"]',
    '["ü😀", "日本"]'.encode(),
    b'\xef\xbb\xbf{"a":1}',
    b'\t{"a"\n:\r"b" , "c":"d"}\n',
]
BROKEN = [
    b"",
    b"{",
    b"[1",
    b'"abc',
    b'"abc\\"',
    b"[1,]",
    b"[,1]",
    b'{"a":1,}',
    b'{"a"}',
    b'{"a":}',
    b'{"a" 1}',
    b"{1:2}",
    b"[1 2]",
    b'["a" "b"]',
    b"{} {}",
    b"[]]",
    b"[}",
    b'{"a":1]',
    b"[01]",
    b"[+1]",
    b"[.5]",
    b"[1.]",
    b"[1e]",
    b"[1e400]",
    b"[NaN]",
    b"[Infinity]",
    b"[True]",
    b"[nul]",
    b"['a']",
    b"[1] x",
    b"[/* c */ 1]",
    b'["\x01"]',
    b'["a\nb"]',
    b'["\\x"]',
    b'["\\u12"]',
    b'["\xff"]',
    b'["\xed\xa0\x80"]',
    b"[\x00]",
    b"\xef\xbb[]",
    b"[" + b"9" * 3000 + b"]",
    '{"a": 1}'.encode("utf-16"),
    '{"a": 1}'.encode("utf-16-le"),
]


def events(text: bytes, cuts: list[int], max_values: int = 1000) -> list[Event]:
    parser = JsonEvents(max_values)
    found: list[Event] = []
    for start, end in pairwise([0, *cuts, len(text)]):
        found += parser.feed(text[start:end])
    return found + list(parser.finish())


def built(found: list[Event]) -> Any:
    """The value that the events describe."""
    at = iter(found)

    def value(event: Event) -> Any:
        name, content = event
        if name == "start_array":
            items = []
            while (event := next(at))[0] != "end_array":
                items.append(value(event))
            return items
        if name == "start_map":
            members = {}
            while (event := next(at))[0] != "end_map":
                assert event[0] == "map_key"
                members[event[1]] = value(next(at))
            return members
        return content

    return value(next(at))


@pytest.mark.parametrize("text", TEXTS)
def test_what_python_reads(text: bytes) -> None:
    expected = json.loads(text.removeprefix(b"\xef\xbb\xbf"))
    assert built(events(text, [])) == expected
    assert built(events(text, list(range(1, len(text))))) == expected
    for cut in range(1, len(text)):
        assert built(events(text, [cut])) == expected


@pytest.mark.parametrize("text", BROKEN)
def test_what_python_refuses(text: bytes) -> None:
    for cuts in ([], list(range(1, len(text))), [len(text) // 2]):
        with pytest.raises(NotJson):
            events(text, cuts)


def test_random_damage_is_judged_as_python_does() -> None:
    chance = random.Random(7)
    sample = b'{"a": [1, "x\\ny", {"b": null}], "c": "\\u00e9", "d": -1.5e2}'
    for _ in range(2000):
        text = bytearray(sample)
        for _ in range(chance.randint(1, 3)):
            text[chance.randrange(len(text))] = chance.choice(b'{}[]",:\\01eE+-.tfn \n\x00\xff')
        try:
            expected = json.loads(text.decode("utf-8"), parse_constant=int)
        except ValueError:
            with pytest.raises(NotJson):
                events(bytes(text), [chance.randrange(len(text))])
        else:
            assert built(events(bytes(text), [chance.randrange(len(text))])) == expected


def test_values_are_counted() -> None:
    assert len(events(b"[1,2,3]", [], max_values=4)) == 5
    with pytest.raises(NotJson, match="more than 3 values"):
        events(b"[1,2,3]", [], max_values=3)


def test_a_long_string_costs_the_same_in_small_pieces() -> None:
    """Twice the bytes take at most about twice the time; scanning the string again for each piece would take
    four times.
    """
    text = b'["' + b"line\\n" * (1 << 19) + b'"]'
    began = time.process_time()
    found = events(text, list(range(1024, len(text), 1024)))
    assert time.process_time() - began < 2
    assert found[1] == ("string", "line\n" * (1 << 19))
