"""Messages of `adopt`, `rebuild`, `relink`, `backup` and `verify` for operators: the problem, what to do, and
what remains after Ctrl-C.

The services' refusals are tested in test_drills and test_repair_kills.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from strongroom.cli import adopt, programs, relink, verify
from strongroom.cli.output import Output
from strongroom.cli.problems import ExitCode, UsageProblem
from strongroom.cli.session import Session, run
from strongroom.cli.settings import ConnectionOptions
from strongroom.client.restore_values import ObjectName, RelinkPage, Stray, StrayResult

STRAY = Stray(
    kind="stored_later",
    name=("uploads/ada/1.txt", "v1"),
    size_bytes=3,
    id="1",
    owner_id="ada",
    family="file",
    filename="a.txt",
    project="",
    stored_at=datetime(2026, 1, 1, tzinfo=UTC),
    left_out=(),
)
OPTIONS = ConnectionOptions(None, None, None, None, None, None)


@dataclass
class FakeRestores:
    """Stands in for `client.restores`. `stands`: it never answers."""

    astray: Sequence[Stray] = ()
    rows: int = 0
    stands: bool = False
    asked: list[str] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def strays(self) -> AsyncGenerator[tuple[Sequence[Stray], int]]:
        yield self.astray, self.rows

    async def keep(self, names: Sequence[ObjectName]) -> AsyncGenerator[StrayResult]:
        for name in names:
            self.asked.append(name[0])
            await self._stand()
            yield StrayResult(name, "kept", "1", "", "")

    async def relink(self, *, after: str, dry_run: bool) -> AsyncGenerator[RelinkPage]:
        self.asked.append(after)
        await self._stand()
        yield RelinkPage(self.rows, self.rows, 0, (), "")

    async def start(self, depth: str) -> Any:
        self.asked.append(depth)
        await self._stand()

    async def get(self, run_id: str) -> Any:
        await self.start(run_id)

    async def _stand(self) -> None:
        if self.stands:
            self.reached.set()
            await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class FakeSession(Session):
    """A session whose client has only these parts."""

    restores: FakeRestores = field(default_factory=FakeRestores)

    @property
    def verifications(self) -> FakeRestores:
        return self.restores

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Any]:
        yield self


def session_of(restores: FakeRestores) -> FakeSession:
    return FakeSession(OPTIONS, Output(as_json=False, quiet=False), restores=restores)


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: capsys.readouterr().err


@pytest.mark.parametrize("act", [adopt.keep, adopt.drop])
@pytest.mark.parametrize(("ids", "all_"), [(None, False), ([], False), (["1"], True)])
async def test_it_is_named_or_all_and_not_both(act: Any, ids: Any, all_: bool) -> None:
    restores = FakeRestores([STRAY], 5)
    with pytest.raises(UsageProblem, match=r"`strongroom adopt list` prints them.*--all; not both"):
        await act(session_of(restores), ids, all_=all_)
    assert restores.asked == []


@pytest.mark.parametrize("named", ["1", "uploads/ada/1.txt"])
async def test_what_is_named_by_id_or_key_is_kept(named: str, told: Callable[[], str]) -> None:
    restores = FakeRestores([STRAY], 5)
    assert await adopt.keep(session_of(restores), [named]) is ExitCode.OK
    assert (restores.asked, told()) == (["uploads/ada/1.txt"], "")


async def test_what_is_not_astray_is_told(told: Callable[[], str]) -> None:
    assert await adopt.keep(session_of(FakeRestores([STRAY], 5)), ["nope"]) is ExitCode.FAILED
    assert told() == "there is no stray object nope: `strongroom adopt list` prints ids and keys\n"


@pytest.mark.parametrize(
    ("astray", "rows", "words"),
    [
        ([], 7, "nothing is astray: the database knows whose each object is (7 committed rows)\n"),
        ([STRAY], 7, "1 astray, beside 7 that the database knows\n"),
        ([STRAY], 0, "1 astray, and the database knows only 0: is it this bucket's, and restored?\n"),
    ],
)
async def test_a_list_ends_with_what_it_is_beside(
    astray: list[Stray], rows: int, words: str, told: Callable[[], str]
) -> None:
    await adopt.list_(session_of(FakeRestores(astray, rows)))
    assert told() == words


@pytest.mark.parametrize("act", [lambda one: adopt.keep(one, all_=True), adopt.rebuild])
async def test_nothing_to_do_is_told(
    act: Callable[..., Awaitable[ExitCode]], told: Callable[[], str]
) -> None:
    assert await act(session_of(FakeRestores(rows=5))) is ExitCode.OK
    assert "nothing was done: the bucket has no object that this is for\n" in told()


async def test_relinking_an_empty_database_says_what_else_to_do(told: Callable[[], str]) -> None:
    assert await relink.relink(session_of(FakeRestores())) is ExitCode.OK
    assert "restore it first" in (words := told())
    assert "`strongroom rebuild`" in words
    await relink.relink(session_of(FakeRestores(rows=1)))
    assert told() == ""


async def test_who_asks_for_a_backup_hears_what_makes_one() -> None:
    with pytest.raises(UsageProblem, match=r"nothing was backed up.*pg_dump.*BYPASSRLS.*docs/backup\.md"):
        await programs.backup(session_of(FakeRestores()))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda one: adopt.keep(one, all_=True), "run the same command again to continue"),
        (adopt.rebuild, "run the same command again to continue"),
        (relink.relink, "run it again, or continue with --after KEY"),
        (verify.verify, "`strongroom verify --run last` shows it"),
        (
            lambda one: verify.verify(one, run="1", repair=True),
            "`strongroom verify --repair --run last` repairs the rest",
        ),
    ],
)
def test_interrupted_it_says_what_is_left(act: Any, words: str, told: Callable[[], str]) -> None:
    restores = FakeRestores([STRAY], 5, stands=True)
    session = session_of(restores)

    async def interrupted() -> ExitCode:
        task = asyncio.create_task(act(session))
        await restores.reached.wait()
        task.cancel()  # as asyncio.run does on Ctrl-C
        code: ExitCode = await task
        return code

    assert run(session, interrupted) == ExitCode.INTERRUPTED
    note, ending = told().splitlines()
    assert note.endswith(words)
    assert ending == "strongroom: interrupted"
