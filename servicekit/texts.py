"""Texts that can't be stored: Postgres accepts every character except NUL."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from strongroom.errors import InvalidField


def refuse_nul(message: Message, path: str = "") -> None:
    """Check every text in ``message``, with paths as in JSON (``spec.tags``).

    :raises InvalidField: a text contains NUL.
    """
    for descriptor, value in message.ListFields():
        where = f"{path}.{descriptor.name}" if path else str(descriptor.name)
        for item in _items(descriptor, value):
            if isinstance(item, Message):
                refuse_nul(item, where)
            elif isinstance(item, str) and "\0" in item:
                raise InvalidField(
                    f"{where} holds a NUL character; remove it.", field=where, rule="string.no_nul"
                )


def _items(descriptor: FieldDescriptor, value: Any) -> list[object]:
    """The single values in one field, keys of maps included."""
    if not descriptor.is_repeated:
        return [value]
    if descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry:
        return [item for pair in value.items() for item in pair]
    return list(value)
