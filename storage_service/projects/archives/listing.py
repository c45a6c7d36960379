"""Files of a folder, an event or a share on their way into a ZIP: all are looked at before the first, as the
head of a ZIP can't be taken back, and all the same they are asked for once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Final

from servicekit.unreadable import refuse_unreadable
from strongroom.metadata.v1.file_pb2 import File

HELD_BYTES: Final = 4 << 20
"""Of rows, for each ZIP: some thousand files. A longer list is not kept, and asked for once more."""

#: Begins the listing anew; pages in their order.
Pages = Callable[[], AsyncIterator[Sequence[File]]]


async def readable_files(pages: Pages, called: Callable[[File], str]) -> AsyncIterator[File]:
    """Every file, once it is known of all that they can be read. ``called``: what a refusal calls one.

    Raises ContentInfected, ObjectLost, before the first.
    """
    held: list[File] | None = []
    size = 0
    async for page in _of(pages):
        for file in page:
            refuse_unreadable(file, called=called(file))
            size += file.ByteSize()
        if size > HELD_BYTES:
            held = None
        if held is not None:
            held += page
    if held is not None:
        for file in held:
            yield file
        return
    async for page in _of(pages):
        for file in page:
            yield file


async def _of(pages: Pages) -> AsyncIterator[Sequence[File]]:
    async with aclosing(pages()) as listed:  # type: ignore[type-var]  # every one of them is a generator
        async for page in listed:
            yield page
