"""The parameters of a query string, each of which counts once: one sent twice with different values is
refused where it is read, since clients, proxies and services differ in which of the two they take.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from strongroom.errors import InvalidField, MalformedRequest

#: More query fields than this are refused, so that parsing stays cheap.
MAX_QUERY_FIELDS: Final = 100


class Query:
    """Parameters, percent-decoded. The constructor raises MalformedRequest: too many, or not UTF-8."""

    __slots__ = ("_repeated", "_values")

    def __init__(self, raw: bytes) -> None:
        pairs = _pairs(raw)
        self._values = dict(pairs)
        self._repeated: frozenset[str] = frozenset()
        if len(self._values) < len(pairs):
            counts = Counter(name for name, _ in set(pairs))
            self._repeated = frozenset(name for name, count in counts.items() if count > 1)

    def get(self, name: str) -> str | None:
        """The value of ``name``; None without one.

        :raises InvalidField: it comes with several values, by this name or in the other spelling
            (``expires_in``, ``expiresIn``).
        """
        value = self._values.get(name)
        if value is None or len(self._values) + len(self._repeated) < 2:
            return value
        if name in self._repeated:
            raise InvalidField(f"{name} comes twice, with different values.", field=name, rule="repeated")
        other = _other_spelling(name)
        if other in self._repeated or self._values.get(other, value) != value:
            raise InvalidField(
                f"{name} comes twice, also as {other}, with different values.", field=name, rule="repeated"
            )
        return value

    def names(self) -> Collection[str]:
        """Of all parameters."""
        return self._values.keys()

    def forget_empty(self, *, but: str = "") -> None:
        """Take empty parameters for absent ones; not those that begin with ``but``."""
        self._values = {
            name: value for name, value in self._values.items() if value or (but and name.startswith(but))
        }


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
        )
    except ValueError as error:
        reason = (
            "is not UTF-8" if isinstance(error, UnicodeError) else f"has over {MAX_QUERY_FIELDS} parameters"
        )
        raise MalformedRequest(f"The query string {reason}.") from None


@lru_cache(maxsize=256)
def _other_spelling(name: str) -> str:
    """``expiresIn`` of ``expires_in``, and the other way round."""
    if "_" in name:
        return re.sub("(?<=[a-z0-9])_([a-z])", lambda found: found[1].upper(), name)
    return re.sub("(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", name)
