"""A user who does random things with files at paths, and what the service may show afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from strongroom import Client
from strongroom.client import AtPath, RetryPolicy, StoredFile
from strongroom.errors import (
    AlreadyExists,
    FileNotFound,
    NotFound,
    PreconditionFailed,
    RetentionHeld,
    StrongroomError,
)
from tests.faults.campaigns import library
from tests.faults.campaigns.library import PATHS, Entry, Library, Request, Trashed
from tests.faults.cell import Cell
from tests.faults.client import LARGE
from tests.faults.seed import dice
from tests.stack import until

_REFUSALS: Final = (AlreadyExists, FileNotFound, NotFound, PreconditionFailed, RetentionHeld)
_ANSWER_SECONDS: Final = 60.0
_OPEN: Final = "SELECT 1 FROM blobs WHERE owner_id = %s AND state IN (1, 2)"
_BUSY: Final = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND state <> 'idle' AND usename <> 'postgres'
"""


@dataclass
class LibraryWalk:
    """One user. ``possible``: the states of the model in which all may be."""

    cell: Cell
    owner: str
    possible: set[Library] = field(default_factory=lambda: {Library()})
    history: list[str] = field(default_factory=list)
    _bodies: list[bytes] = field(default_factory=list)
    _ids: dict[Trashed, str] = field(default_factory=dict)

    def step(self, chance: random.Random) -> None:
        """One request, sent once."""
        known = min(self.possible)  # what it chooses by may be wrong: then it is refused
        name, request, send = self._chosen(known, chance)
        with self._client(RetryPolicy(attempts=1)) as client:
            try:
                send(client)
            except _REFUSALS as error:
                outcome, after = type(error).__name__, library.refused(self.possible, request)
                if isinstance(error, (FileNotFound, PreconditionFailed)):  # a move that came to its half
                    after |= {half for one in self.possible for half in request(one)[:-1]}
            except StrongroomError as error:
                outcome, after = f"? {type(error).__name__}", library.unanswered(self.possible, request)
            else:
                outcome, after = "done", library.answered(self.possible, request)
        self.history.append(f"{name}: {outcome}")
        assert after, f"{self.owner}: the model does not allow the last answer: {self.history}"
        self.possible = after

    def compare(self) -> str:
        """Look once nothing is under way, and keep the state that fits; what is wrong when none does."""
        until(
            f"the attempts of {self.owner} have ended", lambda: not self._query(_OPEN, self.owner), pause=0.1
        )
        until("no transaction is open", lambda: not self._query(_BUSY), pause=0.05)
        with self._client() as client:
            seen = self._look(client)
        possible, self.possible = self.possible, self.possible & {seen}
        if self.possible:
            return ""
        return f"{self.owner}: after {self.history} there is {seen}, and the model allows {sorted(possible)}"

    def _client(self, retry: RetryPolicy | None = None) -> Client:
        addresses = self.cell.storage_address, self.cell.address("metadata")
        return Client(*addresses, token=self.cell.token(self.owner), retry=retry)

    def _query(self, sql: str, *values: object) -> list[object]:
        return self.cell.checker.query(sql, *values)

    def _look(self, client: Client) -> Library:
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

    def _path(self, file: StoredFile) -> str:
        return file.key.removeprefix(f"paths/{self.owner}/")

    def _entry(self, file: StoredFile, body: bytes) -> Entry:
        held = file.kept is not None and file.kept.hold is not None
        return Entry(self._bodies.index(body), file.generation, held)

    def _body(self, chance: random.Random) -> int:
        size = LARGE if chance.random() < 0.15 else 1000
        self._bodies.append(dice(self.owner, len(self._bodies)).randbytes(size))
        return len(self._bodies) - 1

    def _chosen(
        self, known: Library, chance: random.Random
    ) -> tuple[str, Request, Callable[[Client], object]]:
        """What to do next: its name, what the model says of it, and how it is sent."""
        path, other = chance.sample(PATHS, 2)
        key, target = f"paths/{self.owner}/{path}", AtPath(other)
        there, soft, replace = known.at(path), chance.random() < 0.6, chance.random() < 0.6
        kinds = ["put", "put", "expecting"]
        if there is not None:
            kinds += ["copy", "move", "move", "delete", "hold"] + ["release"] * (2 * there.held)
        if known.trash and known.trash[0] in self._ids:
            kinds += ["undelete", "undelete", "purge"]
        kind = chance.choice(kinds)
        if kind in {"put", "expecting"}:
            right = there.generation if there is not None else 0
            wanted = None if kind == "put" else right if chance.random() < 0.7 else right + 1
            number = self._body(chance)
            body = self._bodies[number]
            return (
                f"put {path} {number} if {wanted}",
                library.put(path, number, wanted),
                lambda to: to.files.upload_file(
                    body, path, if_generation_match=wanted, timeout=_ANSWER_SECONDS
                ),
            )
        if kind in {"undelete", "purge"}:
            trashed = chance.choice([one for one in known.trash if one in self._ids])
            request = library.undelete(trashed) if kind == "undelete" else library.purge(trashed)
            of = self._ids[trashed]
            return f"{kind} {trashed}", request, lambda to: getattr(to, kind)(of, timeout=_ANSWER_SECONDS)
        simple: dict[str, tuple[str, Request, Callable[[Client], object]]] = {
            "copy": (
                f"copy {path} {other}",
                library.copy(path, other),
                lambda to: to.copy(key, target, timeout=_ANSWER_SECONDS),
            ),
            "move": (
                f"move {path} {other} {replace=}",
                library.move(path, other, replace=replace),
                lambda to: to.move(key, target, replace=replace, timeout=_ANSWER_SECONDS),
            ),
            "delete": (
                f"delete {path} {soft=}",
                library.delete(path, soft=soft),
                lambda to: to.delete(key, soft=soft, timeout=_ANSWER_SECONDS),
            ),
            "hold": (
                f"hold {path}",
                library.hold(path, held=True),
                lambda to: to.retention.hold(key, "case"),
            ),
            "release": (
                f"release {path}",
                library.hold(path, held=False),
                lambda to: to.retention.release(key),
            ),
        }
        return simple[kind]
