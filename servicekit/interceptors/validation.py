"""Fourth stage: the rules that stand in the protos (protovalidate), checked on every request message.

Unary requests are parsed and checked before the servicer sees them; messages of request streams inside
their deserializer, so that no Python generator stands between gRPC and the servicer. The check costs 2 µs
whatever the size of ``bytes`` fields. What a method's own deserializer makes of pure data chunks
(``strongroom.wire``) is no protobuf message and passes by: its servicer checks offset, size and checksum
anyway.

A NUL in a text of a unary request is refused here as well: no database keeps it, and only here its field is
known by name. Not so where a service of ours tells of what it was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import protovalidate
from google.protobuf.message import DecodeError, Message

from servicekit import patterns
from servicekit.texts import refuse_nul
from strongroom.errors import InvalidField, MalformedRequest, Violation

MAX_VIOLATIONS: Final = 20
#: A larger message is not searched beyond its first violation: each costs some 15 µs and half a KiB, and two
#: bytes are enough for one.
MAX_SEARCHED_BYTES: Final = 8 * 1024
MAX_KEY: Final = 64
"""Characters of a map's key that a field's path shows."""


def check(message: Message) -> None:
    """Hold ``message`` against the rules of its proto.

    :raises InvalidField: with the broken rules as violations; ``field`` and ``rule`` are those of the first.
        Of a message over ``MAX_SEARCHED_BYTES`` it is the only one.
    """
    found = protovalidate.collect_violations(message, fail_fast=True)
    if not found:
        return
    if message.ByteSize() <= MAX_SEARCHED_BYTES:
        found = protovalidate.collect_violations(message)
    violations = [_violation(one) for one in found[:MAX_VIOLATIONS]]
    first = violations[0]
    raise InvalidField(
        f"{first.field}: {first.message}" if first.field else first.message,
        field=first.field,
        rule=first.rule,
        violations=violations,
    )


def _violation(found: protovalidate.Violation) -> Violation:
    """A violation as ours; the path as in JSON (``spec.tags[2]``), what a pattern allows in words."""
    proto: Any = found.proto
    path = ""
    for element in proto.field.elements if proto.field else ():
        path += ("." if path else "") + element.field_name
        subscript = element.subscript
        if subscript is not None:
            path += f"[{_shortened(str(subscript.value))}]"
    message = patterns.told(str(found.rule_value)) if proto.rule_id == "string.pattern" else proto.message
    return Violation(path, proto.rule_id, message)


def _shortened(key: str) -> str:
    """A caller's key of a map, so long that the whole path passes every limit on the way: cut off there, it
    would not be found in the message, whose names are to be the caller's.
    """
    return key if len(key) <= MAX_KEY else key[: MAX_KEY - 1] + "…"


def request_parser(
    deserialize: Callable[[bytes], Any] | None, *, streaming: bool = False, internal: bool = False
) -> Callable[[bytes], Any]:
    """Bytes → checked request message.

    The function returned raises MalformedRequest for bytes that are no such message, InvalidField as
    ``check``.
    """
    if deserialize is None:
        return lambda raw: raw

    def parse(raw: bytes) -> Any:
        try:
            message = deserialize(raw)
        except DecodeError:
            raise MalformedRequest("The request is not a message of this method's type.") from None
        if isinstance(message, Message):
            check(message)
            if not (streaming or internal) and b"\0" in raw:
                refuse_nul(message)
        return message

    return parse
