"""Preconditions of requests that change something (RFC 9110 section 13.1).

The route evaluates a precondition, or the request is refused before anything is done; none is ignored.
"""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from gateway.http.conditional import may_change
from gateway.operations.routing import Operation
from gateway.upstream.call import Call
from gateway.upstream.downloads import validators_of
from gateway.upstream.streaming import not_the_file_named
from strongroom.errors import PreconditionFailed
from strongroom.metadata.v1.file_pb2 import File

IF_MATCH: Final = "if-match"
IF_NONE_MATCH: Final = "if-none-match"
#: The preconditions that a route evaluates by the entity tag and date of the bytes (``seen_generation``).
OF_BYTES: Final = (IF_MATCH, IF_NONE_MATCH, "if-unmodified-since")
#: The methods that change something. A POST may too: it moves a file, or replaces the one at a path.
CHANGES: Final = frozenset({"DELETE", "PATCH", "POST", "PUT"})


def refuse_unjudged(scope: Scope, operation: Operation) -> None:
    """Refuse a precondition that the operation's route does not evaluate.

    :raises PreconditionFailed: the request has one.
    """
    if operation.method not in CHANGES:
        return
    unjudged = [name for name in OF_BYTES if name not in operation.judges]
    for name, _ in scope["headers"]:
        if name.decode("latin-1") in unjudged:
            shown = name.decode("latin-1").title()
            raise PreconditionFailed(
                f"This route does not know whether {shown} holds, so nothing was done; send the request"
                " without it.",
                metadata={"actual": ""},
            )


def is_conditional(call: Call) -> bool:
    """Whether the request has a precondition about the existing content."""
    return any(call.header(name) is not None for name in OF_BYTES)


def seen_generation(call: Call, file: File) -> int:
    """The generation of ``file``, after evaluating the request's preconditions with it.

    :raises PreconditionFailed: they don't hold.
    """
    if not may_change(call.header, validators_of(file)):
        raise not_the_file_named(file.etag)
    return file.generation
