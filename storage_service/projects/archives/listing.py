"""Lists files for a ZIP: all are checked before the first is sent, because a ZIP's beginning can't be taken
back.

A short list is kept, so that it is requested only once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Final

from servicekit.unreadable import refuse_unreadable
from storage_service.reading.archive_looks import Suspects
from strongroom.metadata.v1.file_pb2 import File

HELD_BYTES: Final = 4 << 20
"""Bytes of rows kept for each ZIP, enough for some thousand files. A longer list is requested a second
time.
"""

#: Begins the listing again; pages in order.
Pages = Callable[[], AsyncIterator[Sequence[File]]]


async def readable_files(
    pages: Pages, called: Callable[[File], str], suspects: Suspects
) -> AsyncIterator[File]:
    """Yield every file, after checking that all are readable. ``called``: how a refusal names a file.

    Raises ContentInfected, ObjectLost, ObjectArchived, before the first file.
    """
    held: list[File] | None = []
    size = 0
    async for page in _of(pages):
        for file in page:
            refuse_unreadable(file, called=called(file))
            suspects.see(file, called(file))
            size += file.ByteSize()
        if size > HELD_BYTES:
            held = None
        if held is not None:
            held += page
    await suspects.refuse()
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
