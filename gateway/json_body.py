"""JSON request bodies: bounded, parsed once, checked by a pydantic model of the family's schemas module."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.call import Call
from gateway.problems import ClientGone
from strongroom.errors import (
    InvalidField,
    MalformedRequest,
    SizeLimitExceeded,
    UnsupportedMediaType,
    Violation,
)

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 100
JSON: Final = "application/json"

Model = TypeVar("Model", bound=BaseModel)


async def read_json(call: Call, model: type[Model], *, limit: int = MAX_BYTES) -> Model:
    """The body as ``model``; at most ``limit`` bytes of it.

    :raises UnsupportedMediaType: not declared as JSON. :raises SizeLimitExceeded: over ``limit``.
    :raises MalformedRequest: no JSON (RFC 8259, UTF-8). :raises InvalidField: a field breaks its rule.
    :raises ClientGone: the client left.
    """
    kind = (call.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != JSON and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaType(f"Send the body as {JSON}.", metadata={"expected": JSON})
    raw = await _read(call, limit)
    try:
        value = parse_json(raw)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "it can't be decoded"
        raise MalformedRequest(f"The body is no JSON: {reason}.") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _explained(error) from None


def parse_json(text: bytes | str) -> Any:
    """RFC 8259 and nothing beyond: what this takes can be written again.

    :raises ValueError: no JSON, a number past a double, or nested deeper than ``MAX_DEPTH``.
    :raises RecursionError: nested far deeper.
    """
    value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        level = [item for one in level for item in _items(one) if isinstance(item, dict | list)]
    return value


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


async def _read(call: Call, limit: int) -> bytes:
    pieces, size, more = [], 0, True
    while more:
        message = await call.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece: bytes = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise SizeLimitExceeded(
                f"The body may have {limit} bytes at the most.", metadata={"limit": str(limit)}
            )
        more = message.get("more_body", False)
    return b"".join(pieces)


def _refuse_constant(name: str) -> NoReturn:
    """``NaN`` and ``Infinity``, which Python's parser would take."""
    raise ValueError(name)


def _finite(text: str) -> float:
    """A number; ``1e400`` would become an infinity, which JSON can't say."""
    if math.isinf(value := float(text)):
        raise ValueError(text)
    return value


def _explained(error: ValidationError) -> InvalidField:
    """Every violation by its path, the first one also as the message. Nothing of the values."""
    found = [
        Violation(_path(item["loc"]), item["type"], item["msg"])
        for item in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    first = found[0]
    return InvalidField(
        f"{first.field}: {first.message}", field=first.field, rule=first.rule, violations=found[:20]
    )


def _path(location: tuple[Any, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "body"
