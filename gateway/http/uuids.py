"""UUIDs in paths: what is none names nothing."""

from __future__ import annotations

from uuid import UUID

from gateway.upstream.call import Call
from strongroom.errors import FileNotFound, InvalidField


def path_id(call: Call, name: str) -> str:
    """A resource's id in the path, in its canonical form.

    :raises FileNotFound: no UUID, so nothing has it.
    """
    try:
        return str(UUID(call.path[name]))
    except ValueError:
        raise FileNotFound("There is no such file.") from None


def path_uuid(call: Call, name: str) -> str:
    """A UUID in the path that is a value of the caller's, not the name of something that exists.

    :raises InvalidField: no UUID.
    """
    try:
        return str(UUID(call.path[name]))
    except ValueError:
        raise InvalidField(f"{name} must be a UUID.", field=name, rule="string.uuid") from None
