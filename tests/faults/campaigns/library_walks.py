"""A user with random requests about files at paths."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import ClassVar, Final

from strongroom import Client
from strongroom.client import AtPath, StoredFile
from strongroom.errors import AlreadyExists, FileNotFound, NotFound, PreconditionFailed, RetentionHeld
from tests.faults.campaigns import library
from tests.faults.campaigns.library import PATHS, Entry, Library, Trashed
from tests.faults.campaigns.walking import ANSWER_SECONDS, Chosen, ModelWalk, Refused, Unanswered, done
from tests.faults.cell import Cell
from tests.faults.client import LARGE
from tests.faults.seed import dice

_STAYED: Final = frozenset({"FILE_NOT_FOUND", "RETENTION_HELD"})


class LibraryWalk(ModelWalk[Library]):
    """Puts, copies, moves, deletes, holds (single or several), and links."""

    refusals: ClassVar = (
        *(AlreadyExists, FileNotFound, NotFound, PreconditionFailed, RetentionHeld),
        Refused,
    )

    def __init__(self, cell: Cell, owner: str) -> None:
        super().__init__(cell, owner, Library())
        self._bodies: list[bytes] = []
        self._ids: dict[Trashed, str] = {}

    def look(self, client: Client) -> Library:
        files = {}
        for file in client.list(f"paths/{self.owner}/"):
            files[self._path(file)] = self._entry(file, client.read(file))
        thrown = []
        for file in client.trash():
            body = self.cell.checker.content(file.key, file.version_id)
            assert body is not None, f"{file.key} is in the trash, and its bytes are gone"
            thrown.append((Trashed(self._path(file), self._entry(file, body)), file.id))
        self._ids = dict(thrown)
        return Library(tuple(sorted(files.items())), tuple(sorted(one for one, _ in thrown)))

    def damage(self) -> list[str]:
        return self.cell.checker.damage_of(self.owner)

    def choose(self, known: Library, chance: random.Random) -> Chosen:
        path, other = chance.sample(PATHS, 2)
        there = known.at(path)
        kinds = ["put", "put", "expecting"] + (["batch", "links"] if known.files else [])
        if there is not None:
            kinds += ["copy", "move", "move", "delete", "hold"] + ["release"] * (2 * there.held)
        if known.trash and known.trash[0] in self._ids:
            kinds += ["undelete", "undelete", "purge"]
        kind = chance.choice(kinds)
        if kind in {"put", "expecting"}:
            right = there.generation if there is not None else 0
            wanted = None if kind == "put" else right if chance.random() < 0.7 else right + 1
            return self._put(path, self._body(chance), wanted)
        if kind in {"undelete", "purge"}:
            trashed = chance.choice([one for one in known.trash if one in self._ids])
            request = library.undelete(trashed) if kind == "undelete" else library.purge(trashed)
            of = self._ids[trashed]
            return done(
                f"{kind} {trashed}", request, lambda to: getattr(to, kind)(of, timeout=ANSWER_SECONDS)
            )
        soft = chance.random() < 0.6
        if kind == "batch":
            return self._delete_all((path, other), soft=soft)
        if kind == "links":
            return self._links((path, other))
        return self._of_one(kind, path, other, soft=soft, replace=chance.random() < 0.6)

    def _put(self, path: str, number: int, wanted: int | None) -> Chosen:
        body = self._bodies[number]
        return done(
            f"put {path} {number} if {wanted}",
            library.put(path, number, wanted),
            lambda to: to.files.upload_file(body, path, if_generation_match=wanted, timeout=ANSWER_SECONDS),
        )

    def _of_one(self, kind: str, path: str, other: str, *, soft: bool, replace: bool) -> Chosen:
        key, target = self._key(path), AtPath(other)
        match kind:
            case "copy":
                return done(
                    f"copy {path} {other}",
                    library.copy(path, other),
                    lambda to: to.copy(key, target, timeout=ANSWER_SECONDS),
                )
            case "move":
                return done(
                    f"move {path} {other} {replace=}",
                    library.move(path, other, replace=replace),
                    lambda to: to.move(key, target, replace=replace, timeout=ANSWER_SECONDS),
                )
            case "delete":
                return done(
                    f"delete {path} {soft=}",
                    library.delete(path, soft=soft),
                    lambda to: to.delete(key, soft=soft, timeout=ANSWER_SECONDS),
                )
            case "hold":
                held = library.hold(path, held=True)
                return done(f"hold {path}", held, lambda to: to.retention.hold(key, "case"))
        return done(f"release {path}", library.hold(path, held=False), lambda to: to.retention.release(key))

    def _delete_all(self, paths: tuple[str, ...], *, soft: bool) -> Chosen:
        keys = {self._key(path): path for path in paths}

        def send(_: Client) -> Callable[[Library, Library], bool]:
            reply = self.ask("POST", "/api/v1/files/batch-delete", json={"files": [*keys], "soft": soft})
            results = {keys[one["file"]]: one for one in reply.json()["results"]}
            codes = {one["code"] for one in results.values() if not one["deleted"]}
            if unknown := codes - _STAYED:
                raise Unanswered(", ".join(sorted(unknown)))
            gone = {path for path, one in results.items() if one["deleted"]}
            return lambda before, _: (
                gone == {path for path in paths if library.delete(path, soft=soft)(before)}
            )

        return Chosen(f"delete all of {paths} {soft=}", library.delete_all(paths, soft=soft), send)

    def _links(self, paths: tuple[str, ...]) -> Chosen:
        """Each link reads the file at its path, without a token."""
        keys = [self._key(path) for path in paths]

        def send(_: Client) -> Callable[[Library, Library], bool]:
            links = self.ask("POST", "/api/v1/links/batch", json={"keys": keys}).json()["links"]
            found = [self._linked(link["url"]) for link in links]
            return lambda before, _: found == [_content(before, path) for path in paths]

        return Chosen(f"links to {paths}", lambda library: (library,), send)

    def _linked(self, url: str | None) -> int | None:
        return None if url is None else self._bodies.index(self.ask("GET", url).content)

    def _key(self, path: str) -> str:
        return f"paths/{self.owner}/{path}"

    def _path(self, file: StoredFile) -> str:
        return file.key.removeprefix(f"paths/{self.owner}/")

    def _entry(self, file: StoredFile, body: bytes) -> Entry:
        held = file.kept is not None and file.kept.hold is not None
        return Entry(self._bodies.index(body), file.generation, held)

    def _body(self, chance: random.Random) -> int:
        size = LARGE if chance.random() < 0.15 else 1000
        self._bodies.append(dice(self.owner, len(self._bodies)).randbytes(size))
        return len(self._bodies) - 1


def _content(known: Library, path: str) -> int | None:
    there = known.at(path)
    return there.content if there is not None else None
