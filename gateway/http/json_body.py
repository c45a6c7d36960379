"""JSON request bodies: limited in size, parsed once, validated by a pydantic model of the family's shapes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from itertools import islice
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.http.coding import decoded
from gateway.http.exchange import Body, Exchange
from servicekit import patterns
from servicekit.json_text import LoneSurrogate, NotJson, joined_path, parse_json
from strongroom.errors import (
    InvalidField,
    MalformedRequest,
    SizeLimitExceeded,
    UnsupportedMediaType,
    Violation,
)

MAX_BYTES: Final = 1024 * 1024
JSON: Final = "application/json"
#: How much longer gzip may make data that it can't compress.
PACKED_MORE: Final = 64 * 1024
#: If there are more errors, they are not listed one by one.
MAX_TOLD: Final = 500
#: In that case this many members of each object and list are validated again.
BEGINNING: Final = 40

#: Our wording of pydantic's messages about Python types and classes.
_SAID: Final = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "too_long": "may have {max_length} entries at most",
    "too_short": "must have {min_length} entries at least",
    "string_too_long": "may have {max_length} characters at most",
    "string_too_short": "must have {min_length} characters at least",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
}
#: Types of errors about times. Their messages are about pydantic's parser.
_TIMES: Final = ("datetime_", "timezone_")
_TIME: Final = "must be a time with its offset (RFC 3339), such as 2033-01-02T03:04:05Z"
#: What Python writes of JSON's own words.
_JSON_WORDS: Final = {"True": "true", "False": "false", "None": "null"}
#: ``Input should be …``, ``String should have …``
_SUBJECT: Final = re.compile("[A-Z][a-z]+ should ")
_PREDICATES: Final = ("is ", "must ", "may ", "has ")
#: How many unknown names are mentioned, and their greatest length.
UNKNOWN_TOLD: Final = 5
UNKNOWN_LENGTH: Final = 40

Model = TypeVar("Model", bound=BaseModel)


async def read_json(exchange: Exchange, model: type[Model], *, limit: int = MAX_BYTES) -> Model:
    """Read the body as ``model``, at most ``limit`` bytes.

    :raises UnsupportedMediaType: not declared as JSON.
    :raises SizeLimitExceeded: over ``limit``.
    :raises MalformedRequest: not JSON (see ``parse_json``).
    :raises InvalidField: a field breaks its rule.
    :raises ClientGone: the client disconnected.
    """
    require_json(exchange)
    body = plain_body(exchange)
    exchange.refuse_longer(limit + PACKED_MORE)
    raw = await _read(body, limit)
    try:
        value = parse_json(raw)
    except LoneSurrogate as error:
        raise lone_surrogate(joined_path(error.place) or "body") from None
    except NotJson as error:
        raise MalformedRequest(f"The body is not JSON: {error}.") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _explained(error, model, value) from None


def require_json(exchange: Exchange) -> None:
    """Refuse a body that is not declared as JSON. Pages of other origins can send any other without asking,
    which would matter where no token is needed (``STRONGROOM_AUTH=optional``).

    :raises UnsupportedMediaType: another type, or none.
    """
    kind = (exchange.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaType(f"Send the body as {JSON}.", metadata={"expected": JSON})


def lone_surrogate(field: str) -> InvalidField:
    """The error for a text with an unpaired surrogate, which can't be stored unchanged (RFC 8259 section
    8.2).
    """
    return InvalidField(
        f"{field} contains half of a surrogate pair, which UTF-8 can't represent; it was cut inside a"
        " character.",
        field=field,
        rule="string.unicode",
    )


def json_field(text: str, field: str) -> str:
    """The JSON text of a form's field as it is stored, without a byte order mark.

    :raises InvalidField: not JSON, or it contains a string that can't be stored.
    """
    try:
        parse_json(text)
    except LoneSurrogate as error:
        raise lone_surrogate(joined_path((field, *error.place))) from None
    except NotJson as error:
        raise InvalidField(f"{field} must be JSON text: {error}.", field=field, rule="json") from None
    return text.removeprefix("\ufeff")


def plain_body(exchange: Exchange) -> AsyncIterator[bytes]:
    """The bytes of a JSON body as they arrive, decompressed.

    :raises UnsupportedMediaType: another Content-Encoding. The iterator raises as ``Body`` and ``decoded``.
    """
    pieces = aiter(Body(exchange))
    return decoded(pieces) if exchange.has_gzip_body() else pieces


async def _read(pieces: AsyncIterator[bytes], limit: int) -> bytes:
    found = bytearray()
    async for piece in pieces:
        found += piece
        if len(found) > limit:
            raise SizeLimitExceeded(
                f"The body may have {limit} bytes at most.", metadata={"limit": str(limit)}
            )
    return bytes(found)


def _message(item: ErrorDetails) -> str:
    """The error as the rest of a sentence that begins with the field's name, or as a sentence of its own."""
    if item["type"] == "string_pattern_mismatch":
        return patterns.told(item["ctx"]["pattern"])
    if item["type"].startswith(_TIMES):
        return _TIME
    said = _SAID.get(item["type"])
    if said is not None:
        context = item.get("ctx", {})
        if "expected" in context:
            context = context | {"expected": _expected(context["expected"])}
        return said.format_map(context)
    return _SUBJECT.sub("must ", item["msg"].removeprefix("Value error, "), count=1)


def _expected(values: str) -> str:
    """What a field may be, of what pydantic says: ``'a', 'b' or 'c'``, or the only value there is."""
    return _JSON_WORDS.get(values, f"one of: {values}")


def _sentence(first: Violation) -> str:
    """The message of the response: ``title is required.``, or the body's own sentence unchanged."""
    if first.field == "body" and first.message[:1].isupper():
        return first.message
    subject = "The body" if first.field == "body" else first.field
    joint = " " if first.message.startswith(_PREDICATES) else ": "
    return f"{subject}{joint}{first.message}" + ("" if first.message.endswith(".") else ".")


def _unread(model: type[BaseModel], value: object) -> str:
    """The body's names that the model does not have, for an error about a missing one: it may be
    misspelled.
    """
    known = {
        name
        for own, field in model.model_fields.items()
        for name in (own, field.alias, field.validation_alias)
    }
    others = [name for name in value if name not in known] if isinstance(value, dict) else []
    told = [name for name in others if len(name) <= UNKNOWN_LENGTH and name.isprintable()][:UNKNOWN_TOLD]
    return f" Not known here: {', '.join(told)}." if told else ""


def _explained(error: ValidationError, model: type[BaseModel], value: object) -> InvalidField:
    """The error with all violations by path; the first one is also the message. Contains no values."""
    found = [
        Violation(joined_path(item["loc"]) or "body", item["type"], _message(item))
        for item in _told(error, model, value)
    ]
    if not found:
        count = f"{error.error_count():,}"
        text = f"it breaks its rules in {count} places, too many to list; send fewer items at once"
        found = [Violation("body", "too_many_errors", text)]
    first = found[0]
    known = (
        ", ".join(model.model_fields) if first.rule == "extra_forbidden" and "." not in first.field else ""
    )
    more = f" Known: {known}." if known else _unread(model, value) if first.rule == "missing" else ""
    return InvalidField(_sentence(first) + more, field=first.field, rule=first.rule, violations=found[:20])


def _told(error: ValidationError, model: type[BaseModel], value: object) -> list[ErrorDetails]:
    """The errors; if there are very many, those that also occur in the beginning of ``value``.

    pydantic finds 200,000 errors in a tenth of a second, but takes seconds to list them, and can't list a
    few.
    """
    if error.error_count() <= MAX_TOLD:
        return _details(error)
    try:
        model.model_validate(_beginning(value))
    except ValidationError as shorter:
        if shorter.error_count() <= MAX_TOLD:
            return [
                one for one in _details(shorter) if one["type"] != "missing" or not _cut(value, one["loc"])
            ]
    return []


def _details(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False)


def _beginning(value: object) -> object:
    """``value`` with only the first members of each object and list."""
    if isinstance(value, dict):
        return {name: _beginning(inner) for name, inner in islice(value.items(), BEGINNING)}
    return [_beginning(inner) for inner in value[:BEGINNING]] if isinstance(value, list) else value


def _cut(value: Any, place: tuple[object, ...]) -> bool:
    """Whether a member missing at ``place`` of the beginning may exist in ``value``."""
    for part in place[:-1]:
        try:
            value = value[part]
        except (LookupError, TypeError):
            break
    return isinstance(value, dict) and len(value) > BEGINNING
