"""Edits with ``If-Match``: the entity tag of a file's row, which changes with each edit and each replacement.

Not of its bytes: those keep their tag when a title changes.
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

#: That no file is at: they count from 1.
NO_GENERATION: Final = 0


def revision(file: File) -> str:
    """The tag, without quotes."""
    return f"{file.id}-{file.generation}"


def etag(file: File) -> Header:
    """The tag as ``ETag``."""
    return header("etag", f'"{revision(file)}"')


def seen_revision(call: Call, file: File) -> int | None:
    """The generation that the change is tied to by ``If-Match``; None: it is tied to none.

    :raises PreconditionFailed: {actual} ``If-Match`` names another revision.
    """
    generation = named_generation(call, file)
    if generation == NO_GENERATION:
        raise _failed(revision(file))
    return generation


def named_generation(call: Call, file: File) -> int | None:
    """The same for a service that may know an earlier answer to the request, and refuses it otherwise:
    NO_GENERATION where ``If-Match`` names another revision.
    """
    condition = if_match(call)
    if condition is None:
        return None
    return file.generation if matches(condition, revision(file), weak=False) else NO_GENERATION


@contextmanager
def told_as_revision(file_id: str, *, of: str = "", asked: bool = True) -> Iterator[None]:
    """A service counts generations; clients know revisions: the refusal of an edit that came second.

    ``of``: where two files are concerned, which of them it is about; refusals of the other pass.
    ``asked``: whether there was an If-Match that it can be told of.
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
    """The header, where it was sent."""
    return call.header("if-match")


def _failed(actual: str) -> PreconditionFailed:
    return PreconditionFailed(
        "The file is not at the revision that If-Match names; read it again.", metadata={"actual": actual}
    )
