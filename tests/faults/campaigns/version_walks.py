"""A user who saves versions of a project, rolls back and deletes it; and a model of that: each version's
content.
"""

from __future__ import annotations

import io
import random
import zipfile
from typing import ClassVar, Final, TypeAlias

from strongroom import Client
from strongroom.errors import ProjectNotFound, VersionConflict, VersionNotFound
from tests.faults.campaigns import possible
from tests.faults.campaigns.walking import ANSWER_SECONDS, Chosen, ModelWalk, done
from tests.faults.cell import Cell
from tests.faults.projects.project_checker import ProjectChecker
from tests.faults.seed import dice
from tests.stack import until

SLUG: Final = "walked"
_GRACE_IS_OVER: Final = """
UPDATE project_keys SET touched_at = touched_at - interval '1 day', not_before = now()
WHERE owner_id = %s AND not_before > now() + interval '30 minutes'
"""
_STAYS: Final = {"same.txt": b"in every version"}

Versions: TypeAlias = tuple[int, ...]
"""The content number of each version, oldest first; none: there is no project."""
Steps: TypeAlias = possible.Steps[Versions]
Request: TypeAlias = possible.Request[Versions]


def save(content: int, expected: int | None) -> Request:
    """``expected``: only onto that version."""

    def request(versions: Versions) -> Steps:
        return ((*versions, content),) if expected in {None, len(versions)} else ()

    return request


def roll_back(version: int, expected: int | None) -> Request:
    """A new version with the content of an old one."""

    def request(versions: Versions) -> Steps:
        there = 1 <= version <= len(versions) and expected in {None, len(versions)}
        return ((*versions, versions[version - 1]),) if there else ()

    return request


def delete(versions: Versions) -> Steps:
    """Deletes all versions together."""
    return ((),) if versions else ()


class VersionWalk(ModelWalk[Versions]):
    """Each content has a file that stays and one of its own."""

    refusals: ClassVar = (ProjectNotFound, VersionConflict, VersionNotFound)

    def __init__(self, cell: Cell, owner: str) -> None:
        super().__init__(cell, owner, ())
        self._contents: list[dict[str, bytes]] = []

    def choose(self, known: Versions, chance: random.Random) -> Chosen:
        newest = len(known)
        kind = chance.choice(["save", "save"] + (["roll back"] * 3 + ["delete"] if known else []))
        expected = chance.choice((None, newest, newest, newest + 1))
        if kind == "delete":
            return done("delete", delete, lambda to: to.projects.delete(SLUG, timeout=ANSWER_SECONDS))
        if kind == "roll back":
            version = chance.randint(1, newest) if chance.random() < 0.8 else newest + 1
            return done(
                f"roll back to {version} if {expected}",
                roll_back(version, expected),
                lambda to: to.projects.rollback(
                    SLUG, version, expected_version=expected, timeout=ANSWER_SECONDS
                ),
            )
        number = len(self._contents)
        self._contents.append(_STAYS | {f"{number}.bin": dice(self.owner, number).randbytes(1000)})
        return done(
            f"save {number} if {expected}",
            save(number, expected),
            lambda to: to.projects.save_archive(
                _zipped(self._contents[number]), SLUG, expected_version=expected, timeout=ANSWER_SECONDS
            ),
        )

    def look(self, client: Client) -> Versions:
        try:
            newest = client.projects.get(SLUG).version
        except ProjectNotFound:
            return ()
        return tuple(self._content(client, version) for version in range(1, newest + 1))

    def damage(self) -> list[str]:
        (versions,) = self.possible
        until("its keys are settled", self._keys_are_settled, pause=0.2)
        checker = ProjectChecker(self.cell, SLUG)
        checker.wait_drained(self.owner)
        return checker.problems(self.owner, [self._contents[number] for number in versions])

    def _keys_are_settled(self) -> bool:
        """No request is in flight now, so the next look need not wait, as with tombstones."""
        self.cell.checker.execute(_GRACE_IS_OVER, self.owner)
        return not self.query("SELECT FROM project_keys WHERE owner_id = %(owner)s")

    def _content(self, client: Client, version: int) -> int:
        paths = {file.path for file in client.projects.files(SLUG, version)}
        return next(number for number, content in enumerate(self._contents) if set(content) == paths)


def _zipped(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, body in content.items():
            archive.writestr(zipfile.ZipInfo(path), body)
    return buffer.getvalue()
