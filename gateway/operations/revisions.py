"""Edits with ``If-Match``: the entity tag of a file's row, which changes with each edit and each replacement.

The entity tag of its bytes is another one: it stays the same when a title changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gateway.http.conditional import matches
from gateway.http.reply import Header, header
from gateway.upstream.call import Call
from strongroom.errors import PreconditionFailed
from strongroom.metadata.v1.file_pb2 import File

#: No file has this generation: they count from 1.
NO_GENERATION: Final = 0


def revision(file: File) -> str:
    """The entity tag of the row, without quotes."""
    return f"{file.id}-{file.generation}"


def etag(file: File) -> Header:
    """The entity tag of the row as an ``ETag`` header."""
    return header("etag", f'"{revision(file)}"')


def seen_revision(call: Call, file: File) -> int | None:
    """The generation that ``If-Match`` requires; None: the request has no such condition.

    :raises PreconditionFailed: {actual} ``If-Match`` names another revision.
    """
    generation = named_generation(call, file)
    if generation == NO_GENERATION:
        raise _failed(revision(file))
    return generation


def named_generation(call: Call, file: File) -> int | None:
    """The same for a service that may have stored an answer to this request and otherwise refuses it.

    Returns NO_GENERATION if ``If-Match`` names another revision.
    """
    condition = if_match(call)
    if condition is None:
        return None
    return file.generation if matches(condition, revision(file), weak=False) else NO_GENERATION


@contextmanager
def told_as_revision(file_id: str, *, of: str = "", asked: bool = True) -> Iterator[None]:
    """Translate a service's PreconditionFailed from generations, which services count, to revisions, which
    clients know.

    ``of``: which of two files the error must concern; errors about the other are re-raised. ``asked``:
    whether the request had an If-Match.
    """
    try:
        yield
    except PreconditionFailed as error:
        if error.metadata.get("of", "") != of:
            raise
        actual = f"{file_id}-{error.metadata.get('actual', '')}"
        if asked:
            raise _failed(actual) from error
        raise PreconditionFailed(error.message, metadata={"actual": actual}) from error


def if_match(call: Call) -> str | None:
    """The header; None if it is absent."""
    return call.header("if-match")


def _failed(actual: str) -> PreconditionFailed:
    return PreconditionFailed(
        "The file is not at the revision that If-Match names; read it again.", metadata={"actual": actual}
    )
