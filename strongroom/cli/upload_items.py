"""Expands command-line arguments to files."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from strongroom.cli import shown

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Item:
    """One file to upload. ``path`` None: standard input.

    ``relative``: its path below the named folder (or its name), with ``/``, in NFC, as targets at a path need
    it.
    """

    path: Path | None
    relative: str
    shown: str


def items_of(
    sources: Sequence[str],
    *,
    recursive: bool,
    on_error: Callable[[Exception, str], None],
    on_left_out: Callable[[str], None],
) -> list[Item]:
    """Return everything to upload, folders in the order of names. Errors are passed to ``on_error``.

    Links to folders below a folder are not followed: they may lead in circles. They, devices and pipes there
    are told to ``on_left_out``.
    """
    found: list[Item] = []
    for source in sources:
        if source == STDIN:
            found.append(Item(None, "stdin", STDIN))
            continue
        path = Path(source)
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except OSError as error:
            on_error(error, source)
            continue
        if not is_folder:
            found.append(Item(path, _relative(Path(path.name)), source))
        elif recursive:
            found += _below(path, on_error, on_left_out)
        else:
            on_error(IsADirectoryError(errno.EISDIR, "is a folder; add -r to upload its contents"), source)
    return found


def _below(
    root: Path, on_error: Callable[[Exception, str], None], on_left_out: Callable[[str], None]
) -> Iterator[Item]:
    """Yield the files of a folder, then those of its subfolders, without recursion."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            on_error(error, str(folder))
            continue
        for entry in found:
            path = folder / entry.name
            try:
                is_file = stat.S_ISREG(path.stat().st_mode)
            except OSError as error:  # such as a link that leads nowhere
                on_error(error, str(path))
                continue
            if is_file:
                yield Item(path, _relative(path.relative_to(root)), str(path))
            elif not entry.is_dir(follow_symlinks=False):
                on_left_out(f"left out, a link to a folder or no file: {shown.name(str(path))}")
        waiting += [folder / entry.name for entry in reversed(found) if entry.is_dir(follow_symlinks=False)]


def apart(
    items: Iterable[Item], place: Callable[[Item], str], on_error: Callable[[Exception, str], None]
) -> list[Item]:
    """Return the items with distinct places. The others are passed to ``on_error``: each would replace an
    earlier one.
    """
    taken: dict[str, Item] = {}
    for item in items:
        first = taken.setdefault(unicodedata.normalize("NFC", place(item)), item)
        if first is not item:
            why = f"would replace {first.shown}, which goes to the same path, {place(item)}"
            on_error(FileExistsError(errno.EEXIST, why, item.shown), item.shown)
    return list(taken.values())


def _relative(path: Path) -> str:
    text = os.fsencode(path.as_posix()).decode("utf-8", "replace")
    return unicodedata.normalize("NFC", text)
