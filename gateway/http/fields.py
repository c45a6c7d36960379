"""Validation of query parameters, form fields and ids in paths.

An invalid field is named (422). An id in a path that is not a UUID is not found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeVar
from uuid import UUID

from gateway.http.exchange import Exchange
from strongroom.errors import FileNotFound, InvalidField, Violation

Choice = TypeVar("Choice")

_INTEGER: Final = re.compile(r"-?[0-9]+")
_MEDIA_RANGE: Final = re.compile(r"\*/\*|[a-z0-9!#$&^_.+-]{1,127}/(\*|[a-z0-9!#$&^_.+-]{1,127})")
#: Values with more digits are only known to be too large or too small.
_MAX_DIGITS: Final = 18
MAX_INTEGER: Final = 2**31 - 1
#: The limit of metadata_service: a skipped row costs as much as one that is returned.
MAX_SKIP: Final = 100_000
#: Parameters that pages add to a URL to bypass caches; also all names that begin with an underscore.
CACHE_BUSTERS: Final = frozenset({"t", "ts", "cb", "nocache", "rnd", "timestamp"})


def integer(
    exchange: Exchange, name: str, *, default: int, minimum: int, maximum: int, clamp: bool = False
) -> int:
    """An integer of the query. ``clamp``: values above ``maximum`` are lowered to it (AIP-158) instead of
    refused.

    :raises InvalidField: not a number, below ``minimum``, or above ``maximum``.
    """
    text = exchange.query(name)
    if text is None:
        return default
    if not _INTEGER.fullmatch(text):
        raise InvalidField(f"{name} must be a whole number.", field=name, rule="integer")
    value = int(text) if len(text) <= _MAX_DIGITS else (-1 if text[0] == "-" else maximum + 1)
    if value < minimum:
        raise InvalidField(f"{name} must be at least {minimum}.", field=name, rule="gte")
    if value > maximum:
        if clamp:
            return maximum
        raise InvalidField(f"{name} must be at most {maximum}.", field=name, rule="lte")
    return value


def only(exchange: Exchange, *known: str, below: str = "") -> None:
    """Refuse unknown parameters of a list: ignoring them would silently return something else.

    ``below``: prefixes of known names. Cache busters (``_``, ``_t``, ``t``, ``ts``, …) are ignored. Empty
    parameters count as absent in GET and HEAD, because forms send empty fields.

    :raises InvalidField: {field} names the unknown parameters and the known ones, or a known one that has two
        values.
    """
    names = sorted({*known, "user_id"})
    unknown = [
        name
        for name in exchange.query_names()
        if not (name in names or _passes_caches(name) or (below and name.startswith(below)))
    ]
    if below:
        names.append(f"{below}{{name}}")
    if not unknown:
        for name in exchange.query_names():
            if not _passes_caches(name):
                exchange.query(name)
        if exchange.scope["method"] in {"GET", "HEAD"}:
            exchange.parameters().forget_empty(but=below)
        return
    shown = [name if name.isprintable() and len(name) <= 64 else ascii(name[:64]) for name in unknown[:20]]
    text = f"{', '.join(shown)}: this list has no such parameter. It knows: {', '.join(names)}."
    raise InvalidField(
        text,
        field=shown[0],
        rule="unknown",
        violations=[
            Violation(name, "unknown", f"no such parameter; known: {', '.join(names)}") for name in shown
        ],
    )


def media_type(exchange: Exchange, name: str) -> str:
    """A filter by media type, in lower case and without parameters; absent or empty: ``""``, all types.

    :raises InvalidField: neither a type like ``image/png`` nor a range like ``image/*`` (RFC 9110 12.5.1).
    """
    text = (exchange.query(name) or "").partition(";")[0].strip().lower()
    if text and not _MEDIA_RANGE.fullmatch(text):
        raise InvalidField(
            f"{name} must be a type like image/png, or all of a kind like image/*.",
            field=name,
            rule="media_type",
        )
    return text


def _passes_caches(name: str) -> bool:
    return name.startswith("_") or name in CACHE_BUSTERS


def skipped(exchange: Exchange, name: str) -> int:
    """The number of rows to skip, 0 by default.

    :raises InvalidField: not a number, negative, or more than the database may be asked to skip.
    """
    count = integer(exchange, name, default=0, minimum=0, maximum=MAX_INTEGER, clamp=True)
    if count > MAX_SKIP:
        raise InvalidField(
            f"{name} passes over at most {MAX_SKIP:,} rows; go on from there with page_token, which takes no"
            " longer however far it is.",
            field=name,
            rule="lte",
        )
    return count


def flag(exchange: Exchange, name: str) -> bool:
    """``true`` or ``1``, ``false`` or ``0``; missing: false.

    :raises InvalidField: another word.
    """
    text = exchange.query(name)
    if text is None or text in {"false", "0"}:
        return False
    if text in {"true", "1"}:
        return True
    raise InvalidField(f"{name} must be true or false.", field=name, rule="boolean")


def choice(
    fields: Mapping[str, str], name: str, choices: Mapping[str, Choice], *, default: str | None = None
) -> Choice:
    """One of several words.

    :raises InvalidField: missing without a ``default``, or none of them.
    """
    text = fields.get(name, default)
    if text is None:
        raise InvalidField(f"{name} is required.", field=name, rule="required")
    if text not in choices:
        raise InvalidField(f"{name} must be one of: {', '.join(choices)}.", field=name, rule="in")
    return choices[text]


def page_token(exchange: Exchange, name: str) -> str:
    """The page to continue from: the family's own parameter ``name``, or ``page_token``.

    :raises InvalidField: both were sent and differ.
    """
    own, general = exchange.query(name) or "", exchange.query("page_token") or ""
    if own and general and own != general:
        raise InvalidField(f"{name} and page_token differ; send one of them.", field=name, rule="conflict")
    return own or general


def canonical(value: str) -> str:
    """A UUID in lower case, with its hyphens.

    :raises ValueError: it is not a UUID; the message is for the caller.
    """
    try:
        return str(UUID(value))
    except ValueError:
        raise ValueError("must be a UUID") from None


def path_id(exchange: Exchange, name: str) -> str:
    """A resource's id in the path, in canonical form.

    :raises FileNotFound: not a UUID, so nothing has this id.
    """
    try:
        return canonical(exchange.path[name])
    except ValueError:
        raise FileNotFound("There is no such file.") from None


def path_uuid(exchange: Exchange, name: str) -> str:
    """A UUID in the path that the caller may choose, not the id of something that exists.

    :raises InvalidField: not a UUID.
    """
    try:
        return canonical(exchange.path[name])
    except ValueError:
        raise InvalidField(f"{name} must be a UUID.", field=name, rule="string.uuid") from None
