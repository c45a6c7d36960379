"""JSON that users send (RFC 8259 in UTF-8, and of RFC 7493 what makes a text mean one thing): one parser,
whichever way it came.

What costs before anybody looks at it is refused first: nesting, and very many small values (each takes some
60 bytes however short it is written). Half of a surrogate pair can't be stored or sent as UTF-8, so it is
refused as well, by its place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn, TypeAlias

MAX_DEPTH: Final = 100
#: A request may hold a hundredth of that and be a large one.
MAX_VALUES: Final = 200_000

#: Whatever stands behind a quote matches, so that no place is looked at twice: a backslash may end the text.
#: (Before Python 3.11.5 a possessive group is safe where nothing in it could be tried another way, as here.)
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_OTHER: Final = re.compile(r"[^\[\]{}]+")
_STEPS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}
_Way: TypeAlias = "tuple[object, _Way] | None"


class NotJson(ValueError):
    """``str()``: why not, as the end of the sentence "this is no JSON: …"."""


class LoneSurrogate(NotJson):
    """A string holds half of a pair. ``place``: names and indexes on the way to it, ``()`` for the text
    itself.
    """

    def __init__(self, place: tuple[object, ...]) -> None:
        super().__init__(f"{joined_path(place) or 'the text'} holds half of a surrogate pair")
        self.place = place


def parse_json(text: bytes | str) -> Any:
    """RFC 8259 and nothing beyond: what this takes can be written again. A byte order mark is ignored.

    :raises NotJson: no JSON, not UTF-8, a name twice in one object, a number past a double, nested deeper
        than ``MAX_DEPTH``, more than ``MAX_VALUES`` values. :raises LoneSurrogate: and where.
    """
    plain = without_mark(text)
    _check_cost(plain)
    value = parse_strict(plain, parse_float=finite_number)
    if _SURROGATE_ESCAPE.search(plain) and (place := _lone(value)) is not None:
        raise LoneSurrogate(place)
    return value


def parse_strict(text: str, *, parse_float: Callable[[str], float] = float) -> Any:
    """RFC 8259, with each name once in an object; of any depth that Python can take, and without a look at
    what its strings and numbers hold.

    :raises NotJson: it is not that.
    """
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=parse_float
        )
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg}, at line {error.lineno}, column {error.colno}") from None
    except NotJson:
        raise
    except (ValueError, RecursionError):  # a whole number of thousands of digits
        raise NotJson("a number has too many digits") from None


def without_mark(text: bytes | str) -> str:
    """``text`` without a byte order mark at its start (RFC 8259 section 8.1 lets a reader ignore it).

    :raises NotJson: the bytes are not UTF-8.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError:
            raise NotJson("it is not UTF-8") from None
    return text.removeprefix("\ufeff")


def finite_number(text: str) -> float:
    """A number; ``1e400`` would become an infinity, which JSON can't say.

    :raises NotJson: past a double.
    """
    if math.isinf(value := float(text)):
        raise NotJson("a number is larger than a double holds")
    return value


def has_lone_surrogate(text: str) -> bool:
    """Whether ``text`` can't be written as UTF-8."""
    return not text.isascii() and _SURROGATE.search(text) is not None


def joined_path(parts: tuple[object, ...]) -> str:
    """``("items", 0, "url")`` as ``items[0].url``."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _check_cost(text: str) -> None:
    """Depth and number of values, by the marks outside of strings."""
    if text.count("[") + text.count("{") <= MAX_DEPTH and text.count(",") < MAX_VALUES - MAX_DEPTH:
        return
    marks = _STRING.sub("", text)
    openings = marks.count("[") + marks.count("{")
    if openings + marks.count(",") > MAX_VALUES:
        raise NotJson(f"it holds more than {MAX_VALUES:,} values")
    depth = 0
    for mark in _OTHER.sub("", marks) if openings > MAX_DEPTH else "":
        depth += _STEPS[mark]
        if depth > MAX_DEPTH:
            raise NotJson(f"it is nested more than {MAX_DEPTH} deep")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ in which of two members of one name they see (RFC 8259 section 4), so neither counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJson("a name stands twice in one object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    """``NaN`` and ``Infinity``, which Python's parser would take."""
    raise NotJson(f"{name} is not a JSON value")


def _lone(value: Any) -> tuple[object, ...] | None:
    """Where the first half of a pair is; None: nowhere. Ways are chains of (name, way before it): written out
    for each value of a wide text that is also deep, they would be the square of it.
    """
    waiting: list[tuple[_Way, Any]] = [(None, value)]
    while waiting:
        way, item = waiting.pop()
        if isinstance(item, str) and has_lone_surrogate(item):
            return _place(way)
        waiting += reversed([((key, way), inner) for key, inner in _items(item)])
    return None


def _place(way: _Way) -> tuple[object, ...]:
    found: list[object] = []
    while way is not None:
        name, way = way
        found.append(name)
    return tuple(reversed(found))


def _items(value: Any) -> Iterator[tuple[object, Any]]:
    """Members, with their names as values of their own, or elements."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (name.encode("utf-8", "replace").decode(), name if has_lone_surrogate(name) else inner)
    elif isinstance(value, list):
        yield from enumerate(value)
