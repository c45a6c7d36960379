"""Ctrl-C during a long command: its message tells which work is done and how to continue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from strongroom.cli import adopt, quarantine, relink, verify


async def answers(*entries: Any, then: type[BaseException] | None = None) -> AsyncGenerator[Any]:
    for entry in entries:
        yield entry
    if then is not None:
        raise then


def interrupted(*_: object, **__: object) -> AsyncGenerator[Any]:
    """Ctrl-C before the first answer."""
    return answers(then=asyncio.CancelledError)


class Session:
    """Stands in for the command's session, and records its calls."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @contextmanager
    def told_if_interrupted(self, what: str) -> Iterator[None]:
        try:
            yield
        except asyncio.CancelledError:
            self.told.append(what)
            raise

    def client(self) -> Session:
        return self

    async def __aenter__(self) -> Any:
        async def get(_: str) -> object:
            raise asyncio.CancelledError

        calls = {"restore_run": interrupted, "purge_before": interrupted, "quarantine": answers, "get": get}
        return SimpleNamespace(
            verifications=SimpleNamespace(**calls),
            restores=SimpleNamespace(strays=interrupted, relink=interrupted),
        )

    async def __aexit__(self, *_: object) -> None:
        return


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (lambda session: quarantine.restore(session, run="r"), "run the same command again"),
        (lambda session: quarantine.purge(session, older_than="7d", yes=True), "run the same command again"),
        (lambda session: adopt.keep(session, all_=True), "run the same command again"),
        (lambda session: relink.relink(session), "run it again"),
        (lambda session: verify.verify(session, run="last", repair=True), "--repair --run last"),
        (lambda session: verify.verify(session, run="last"), "continues in the background"),
    ],
    ids=["restore", "purge", "adopt", "relink", "repair", "verify"],
)
def test_what_has_become_of_it_is_told(command: Any, said: str) -> None:
    session = Session()

    async def run() -> None:
        await command(session)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())
    (told,) = session.told
    assert said in told
