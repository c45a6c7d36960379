"""Fourth stage: the protos' rules (protovalidate), checked on every request message.

Unary requests are parsed and checked before the servicer gets them; messages of request streams inside their
deserializer, so that there is no Python generator between gRPC and the servicer. The check costs 2 µs
whatever the size of ``bytes`` fields. Pure data chunks (``strongroom.wire``) made by a method's own
deserializer are no protobuf messages and are not checked: their servicer checks offset, size and checksum
anyway.

A NUL in a text of a unary request is refused here as well: no database stores it, and only here its field's
name is known. This does not apply to services that report what they were sent.
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
#: In a larger message only the first violation is reported: each costs some 15 µs and half a KiB, and two
#: bytes are enough to cause one.
MAX_SEARCHED_BYTES: Final = 8 * 1024
MAX_KEY: Final = 64
"""Characters of a map's key that are shown in a field's path."""


def check(message: Message) -> None:
    """Check ``message`` by its proto's rules.

    :raises InvalidField: with the violations; ``field`` and ``rule`` are the first one's. For a message of
        more than ``MAX_SEARCHED_BYTES`` there is only that one.
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
    """Convert a violation: the path as in JSON (``spec.tags[2]``), a pattern in words."""
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
    """A caller's map key, shortened so that the whole path fits every limit on the way. A path cut later
    would not be found in the message when its names are changed to the caller's.
    """
    return key if len(key) <= MAX_KEY else key[: MAX_KEY - 1] + "…"


def request_parser(
    deserialize: Callable[[bytes], Any] | None, *, streaming: bool = False, internal: bool = False
) -> Callable[[bytes], Any]:
    """Bytes → checked request message.

    The returned function raises MalformedRequest for invalid bytes, InvalidField as ``check``.
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
