"""A model of one user's files at paths: replacing, copying, moving, deleting (one or several), trash and
holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final, NamedTuple, TypeAlias

from tests.faults.campaigns import possible

PATHS: Final = ("a.bin", "b.bin", "c.bin")


class Entry(NamedTuple):
    """A file at a path: its content by number; ``generation``, from 1; whether it is on hold."""

    content: int
    generation: int = 1
    held: bool = False


class Trashed(NamedTuple):
    """A file in the trash, and its former path."""

    path: str
    entry: Entry


class Library(NamedTuple):
    """Everything that the user sees."""

    files: tuple[tuple[str, Entry], ...] = ()
    trash: tuple[Trashed, ...] = ()

    def at(self, path: str) -> Entry | None:
        """The file at this path."""
        return dict(self.files).get(path)

    def placed(self, path: str, entry: Entry | None) -> Library:
        """With this file at the path; None: with nothing."""
        files = {name: there for name, there in self.files if name != path}
        if entry is not None:
            files[path] = entry
        return self._replace(files=tuple(sorted(files.items())))

    def thrown(self, trashed: Trashed) -> Library:
        """With this file in the trash."""
        return self._replace(trash=tuple(sorted((*self.trash, trashed))))

    def taken(self, trashed: Trashed) -> Library:
        """Without this file in the trash."""
        left = list(self.trash)
        left.remove(trashed)
        return self._replace(trash=tuple(left))


Steps: TypeAlias = possible.Steps[Library]
Request: TypeAlias = possible.Request[Library]


def put(path: str, content: int, expected: int | None) -> Request:
    """Store at the path. ``expected``: only over that generation; 0: only if there is nothing."""

    def request(library: Library) -> Steps:
        there = library.at(path)
        if there is not None and there.held:
            return ()
        if expected is not None and expected != (there.generation if there else 0):
            return ()
        return (library.placed(path, Entry(content, there.generation + 1 if there else 1)),)

    return request


def copy(source: str, target: str) -> Request:
    """Copy, replacing the target."""

    def request(library: Library) -> Steps:
        copied = library.at(source)
        return put(target, copied.content, None)(library) if copied is not None else ()

    return request


def move(source: str, target: str, *, replace: bool) -> Request:
    """A copy and the removal of the source, in one transaction."""

    def request(library: Library) -> Steps:
        moved = library.at(source)
        if moved is None or moved.held:
            return ()
        copied = put(target, moved.content, None if replace else 0)(library)
        return tuple(step.placed(source, None) for step in copied)

    return request


def delete(path: str, *, soft: bool) -> Request:
    """``soft``: move to the trash."""

    def request(library: Library) -> Steps:
        there = library.at(path)
        if there is None or there.held:
            return ()
        after = library.placed(path, None)
        return (after.thrown(Trashed(path, there)) if soft else after,)

    return request


def delete_all(paths: Sequence[str], *, soft: bool) -> Request:
    """Delete each separately: missing or held files don't affect the others."""

    def request(library: Library) -> Steps:
        after = []
        for count in range(len(paths) + 1):
            for some in combinations(paths, count):
                made = library
                for path in some:
                    made = (delete(path, soft=soft)(made) or (made,))[-1]
                after.append(made)
        return tuple(after)

    return request


def undelete(trashed: Trashed) -> Request:
    """Restore from the trash, if the place is free."""

    def request(library: Library) -> Steps:
        if trashed not in library.trash or library.at(trashed.path) is not None:
            return ()
        return (library.taken(trashed).placed(trashed.path, trashed.entry),)

    return request


def purge(trashed: Trashed) -> Request:
    """Delete from the trash for good."""
    return lambda library: (library.taken(trashed),) if trashed in library.trash else ()


def hold(path: str, *, held: bool) -> Request:
    """Place or lift a legal hold; both may be repeated."""

    def request(library: Library) -> Steps:
        there = library.at(path)
        return (library.placed(path, there._replace(held=held)),) if there is not None else ()

    return request
