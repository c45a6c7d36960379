"""Arguments whose mistakes would otherwise do something else than was meant, or fail in protobuf's words.

Python's typing can't tell one text from a sequence of texts, and callers without a type checker mix up more.
Values of the right type are checked by the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import UnionType
from typing import TypeVar

Word = TypeVar("Word", bound=StrEnum)


def expect(value: object, kinds: type | tuple[type, ...] | UnionType, rule: str) -> None:
    """Check a value's type. ``rule``: the beginning of the message, such as ``"timeout is a number"``.

    :raises TypeError: it has another.
    """
    if not isinstance(value, kinds):
        shown = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{rule}, not {shown}")


def several(name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return the texts.

    :raises TypeError: it is a single text, which would be taken letter by letter; or one of them is none.
    """
    if isinstance(values, str | bytes):
        raise TypeError(f"{name} takes several texts: [{values!r}], not {values!r}")
    return tuple(text(f"each of {name}", value) for value in values)


def text(name: str, value: str) -> str:
    """Return the text.

    :raises TypeError: it is none.
    """
    expect(value, str, f"{name} is text (str)")
    return value


def pairs(name: str, values: Mapping[str, str]) -> Mapping[str, str]:
    """Return the mapping of texts to texts.

    :raises TypeError: it is none.
    """
    expect(values, Mapping, f"{name} is a mapping of texts to texts")
    for key, value in values.items():
        text(f"each name in {name}", key)
        text(f"{name}[{key!r}]", value)
    return values


def word(name: str, kind: type[Word], value: Word | str) -> Word:
    """Return the member, which may be given by its text.

    :raises ValueError: there is no such member.
    """
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(repr(str(member)) for member in kind)
        raise ValueError(f"{name} is one of {known} (strongroom.{kind.__name__}), not {value!r}") from None


def moment(name: str, value: datetime) -> datetime:
    """Return the time in UTC.

    :raises TypeError: it is no ``datetime``. :raises ValueError: it has no time zone.
    """
    expect(value, datetime, f"{name} is a datetime with a time zone")
    if value.utcoffset() is None:
        raise ValueError(f"{name} needs a time zone: datetime.now(UTC), not datetime.now()")
    return value.astimezone(UTC)
