"""A push parser for JSON (RFC 8259, UTF-8) with linear cost, however the bytes are divided.

Parsers like yajl scan an unfinished string again with each piece: 10 MiB in pieces of 4 KiB took them 6 to 70
seconds. Here an unfinished string is only kept. Depth and number of values are limited while parsing. An
event does not contain its context: the reader keeps track of that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any, Final, TypeAlias

from servicekit.json_text import MAX_DEPTH, NotJson, finite_number

#: An event's name, and its value if it has one: ``start_map``, ``map_key``, ``end_map``, ``start_array``,
#: ``end_array``, ``string``, ``number``, ``boolean``, ``null``.
Event: TypeAlias = tuple[str, Any]

_CONTENT: Final = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
#: A separator, and after it a whole string, a mark (a quote if the string does not end here) or a word.
_TOKEN: Final = re.compile(
    rb'[ \t\r\n]*+([:,]?+)[ \t\r\n]*+(?:("%s")|([\[\]{}"])|([-+.0-9A-Za-z]++)|\Z)' % _CONTENT, re.DOTALL
)
_INSIDE: Final = re.compile(_CONTENT, re.DOTALL)
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS: Final[dict[bytes, Event]] = {
    b"true": ("boolean", True),
    b"false": ("boolean", False),
    b"null": ("null", None),
}
#: A longer number can't be a meaningful double.
_MAX_WORD: Final = 1024
_DECODER: Final = json.JSONDecoder()
_MARK: Final = b"\xef\xbb\xbf"

_VALUE, _FIRST_VALUE, _KEY, _FIRST_KEY, _COLON, _AFTER = range(6)


class JsonEvents:
    """One JSON text: ``feed`` its bytes, ``finish`` at its end. ``max_values``: the most it may contain.

    Raises NotJson.
    """

    def __init__(self, max_values: int) -> None:
        self._left = max_values
        self._max_values = max_values
        self._open = bytearray()
        self._expected = _VALUE
        self._rest = b""
        self._string: bytearray | None = None
        self._begun = False

    def feed(self, data: bytes | bytearray) -> Iterator[Event]:
        """The events that ``data`` completes. Consume all before the next call."""
        text = self._next(data)
        at = 0
        while at < len(text):
            if self._string is not None:
                at = yield from self._inside(text, at, self._string)
                continue
            token = _TOKEN.match(text, at)
            if token is None:
                raise NotJson("there is unexpected text between its values")
            at = token.end()
            if at == len(text) and (word := token[4]) is not None:
                self._keep(word, token[1])
            elif (event := self._event(token)) is not None:
                yield event

    def _next(self, data: bytes | bytearray) -> bytes:
        """``data`` preceded by what was kept, and without the byte order mark."""
        text = self._rest + data if self._rest else bytes(data)
        self._rest = b""
        if self._begun:
            return text
        if len(text) < len(_MARK) and _MARK.startswith(text):
            self._rest = text
            return b""
        self._begun = True
        return text.removeprefix(_MARK)

    def _event(self, token: re.Match[bytes]) -> Event | None:
        separator, text, mark, word = token.groups()
        if separator:
            self._separate(separator)
        if text is not None:
            self._begin_string()
            return self._text(text)
        if mark is not None:
            return self._mark(mark)
        return self._word(word) if word is not None else None

    def finish(self) -> Iterator[Event]:
        """The text has ended: the last event, if it is a number or a word."""
        if self._rest and self._string is None:
            yield self._word(self._rest)
        if self._string is not None or self._open or self._expected != _AFTER:
            raise NotJson("it ends too early")

    def _keep(self, word: bytes, separator: bytes) -> None:
        """Keep a word that may continue in the next bytes."""
        if separator:
            self._separate(separator)
        if len(word) > _MAX_WORD:
            raise NotJson("a number has too many digits")
        self._rest = word

    def _inside(self, data: bytes, at: int, string: bytearray) -> Generator[Event, None, int]:
        """Read the rest of the open string; ends after it, or after all of ``data``."""
        found = _INSIDE.match(data, at)
        end = found.end() if found is not None else at
        string += memoryview(data)[at : end + 1]
        if end == len(data):
            return end
        if data[end] != 0x22:  # a backslash whose escape is not complete
            self._rest = bytes([string.pop()])
            return end + 1
        self._string = None
        yield self._text(string)
        return end + 1

    def _text(self, raw: bytes | bytearray) -> Event:
        """``raw``: including its quotes."""
        try:
            text: str = _DECODER.raw_decode(raw.decode("utf-8"))[0]
        except UnicodeDecodeError:
            raise NotJson("it is not UTF-8") from None
        except json.JSONDecodeError as error:
            raise NotJson(f"{error.msg} inside of a string") from None
        if self._expected == _COLON:
            return "map_key", text
        return "string", text

    def _separate(self, mark: bytes) -> None:
        if mark == b":" and self._expected == _COLON:
            self._expected = _VALUE
        elif mark == b"," and self._expected == _AFTER and self._open:
            self._expected = _VALUE if self._open[-1] == 0x5B else _KEY
        else:
            raise NotJson(f"a {mark.decode()} is out of place")

    def _mark(self, mark: bytes) -> Event | None:
        if mark in b"[{":
            return self._opened(mark)
        if mark in b"]}":
            return self._closed(mark)
        self._begin_string()
        self._string = bytearray(mark)
        return None

    def _begin_string(self) -> None:
        if self._expected in (_KEY, _FIRST_KEY):
            self._expected = _COLON
        else:
            self._value()

    def _opened(self, mark: bytes) -> Event:
        self._value()
        if len(self._open) >= MAX_DEPTH:
            raise NotJson(f"it is nested more than {MAX_DEPTH} deep")
        self._open += mark
        if mark == b"[":
            self._expected = _FIRST_VALUE
            return "start_array", None
        self._expected = _FIRST_KEY
        return "start_map", None

    def _closed(self, mark: bytes) -> Event:
        array = mark == b"]"
        allowed = (_AFTER, _FIRST_VALUE if array else _FIRST_KEY)
        if not self._open or (self._open[-1] == 0x5B) != array or self._expected not in allowed:
            raise NotJson(f"a {mark.decode()} is out of place")
        self._open.pop()
        self._expected = _AFTER
        return ("end_array" if array else "end_map"), None

    def _word(self, word: bytes) -> Event:
        self._value()
        if (known := _WORDS.get(word)) is not None:
            return known
        if len(word) > _MAX_WORD or _NUMBER.fullmatch(word) is None:
            raise NotJson("a value is neither text nor number, true, false or null")
        return "number", finite_number(word.decode("ascii"))

    def _value(self) -> None:
        if self._expected not in (_VALUE, _FIRST_VALUE):
            raise NotJson("a value is out of place")
        if self._left == 0:
            raise NotJson(f"it has more than {self._max_values:,} values")
        self._left -= 1
        self._expected = _AFTER
