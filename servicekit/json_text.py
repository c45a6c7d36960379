"""A parser for users' JSON (RFC 8259 in UTF-8, and of RFC 7493 the rules that make a text unambiguous).

It is the only one, whatever the JSON's way. Costly texts are refused first: nesting, and very many small
values (each takes some 60 bytes however short its text). Half of a surrogate pair can't be stored or sent as
UTF-8, so it is refused, too, with its place.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn, TypeAlias

MAX_DEPTH: Final = 100
#: A large request has a hundredth of that.
MAX_VALUES: Final = 200_000

#: Everything after a quote matches, so that no position is scanned twice: a backslash may end the text.
#: (Before Python 3.11.5 a possessive group is safe if nothing in it could be tried another way, as here.)
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_OTHER: Final = re.compile(r"[^\[\]{}]+")
_STEPS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}
_Way: TypeAlias = "tuple[object, _Way] | None"


class NotJson(ValueError):
    """``str()``: the reason, as the end of the sentence "this is no JSON: …"."""


class LoneSurrogate(NotJson):
    """A string contains half of a pair. ``place``: the names and indexes that lead to it, ``()`` for the text
    itself.
    """

    def __init__(self, place: tuple[object, ...]) -> None:
        super().__init__(f"{joined_path(place) or 'the text'} contains half of a surrogate pair")
        self.place = place


def parse_json(text: bytes | str) -> Any:
    """RFC 8259 and nothing else: everything accepted can be written again. A byte order mark is ignored.

    :raises NotJson: no JSON, not UTF-8, a duplicate name in an object, a number too large for a double,
        nested deeper than ``MAX_DEPTH``, more than ``MAX_VALUES`` values. :raises LoneSurrogate: with its
        place.
    """
    plain = without_mark(text)
    _check_cost(plain)
    value = parse_strict(plain, parse_float=finite_number)
    if _SURROGATE_ESCAPE.search(plain) and (place := _lone(value)) is not None:
        raise LoneSurrogate(place)
    return value


def parse_strict(text: str, *, parse_float: Callable[[str], float] = float) -> Any:
    """RFC 8259 with unique names in each object, of any depth that Python supports; strings and numbers are
    not checked.

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
    except (ValueError, RecursionError):  # an integer with thousands of digits
        raise NotJson("a number has too many digits") from None


def without_mark(text: bytes | str) -> str:
    """``text`` without a leading byte order mark (RFC 8259 section 8.1 allows readers to ignore it).

    :raises NotJson: the bytes are not UTF-8.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError:
            raise NotJson("it is not UTF-8") from None
    return text.removeprefix("\ufeff")


def finite_number(text: str) -> float:
    """A number; ``1e400`` would become an infinity, which JSON can't express.

    :raises NotJson: too large for a double.
    """
    if math.isinf(value := float(text)):
        raise NotJson("a number is too large for a double")
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
    """Check depth and number of values, by counting the tokens outside of strings."""
    if text.count("[") + text.count("{") <= MAX_DEPTH and text.count(",") < MAX_VALUES - MAX_DEPTH:
        return
    marks = _STRING.sub("", text)
    openings = marks.count("[") + marks.count("{")
    if openings + marks.count(",") > MAX_VALUES:
        raise NotJson(f"it has more than {MAX_VALUES:,} values")
    depth = 0
    for mark in _OTHER.sub("", marks) if openings > MAX_DEPTH else "":
        depth += _STEPS[mark]
        if depth > MAX_DEPTH:
            raise NotJson(f"it is nested more than {MAX_DEPTH} deep")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of ``pairs``. Refuses duplicate names, because readers differ in which of the members they
    use (RFC 8259 section 4).
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotJson("an object has a name twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    """``NaN`` and ``Infinity``, which Python's parser accepts."""
    raise NotJson(f"{name} is not a JSON value")


def _lone(value: Any) -> tuple[object, ...] | None:
    """The place of the first half pair; None if there is none."""
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
    """Members, with their names as additional values, or elements."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (name.encode("utf-8", "replace").decode(), name if has_lone_surrogate(name) else inner)
    elif isinstance(value, list):
        yield from enumerate(value)
