"""UUIDs in paths and bodies; in a path, what is none names nothing."""

from __future__ import annotations

from uuid import UUID

from gateway.http.exchange import Exchange
from strongroom.errors import FileNotFound, InvalidField


def canonical(value: str) -> str:
    """A UUID in small letters, with its hyphens.

    :raises ValueError: it is none.
    """
    return str(UUID(value))


def path_id(exchange: Exchange, name: str) -> str:
    """A resource's id in the path, in its canonical form.

    :raises FileNotFound: no UUID, so nothing has it.
    """
    try:
        return canonical(exchange.path[name])
    except ValueError:
        raise FileNotFound("There is no such file.") from None


def path_uuid(exchange: Exchange, name: str) -> str:
    """A UUID in the path that is a value of the caller's, not the name of something that exists.

    :raises InvalidField: no UUID.
    """
    try:
        return canonical(exchange.path[name])
    except ValueError:
        raise InvalidField(f"{name} must be a UUID.", field=name, rule="string.uuid") from None
