"""Confirmations: when they are asked, and the effect of the answer."""

from __future__ import annotations

import asyncio
import io
import signal
from collections.abc import Callable

import pytest

from strongroom.cli.confirmation import confirm, confirm_here
from strongroom.cli.problems import UsageProblem


class Terminal(io.StringIO):
    """A terminal at which a person types."""

    def isatty(self) -> bool:
        return True


def answered(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(text))


@pytest.mark.parametrize("ask", [confirm, confirm_here])
def test_on_a_terminal_it_goes_on_after_a_yes_only(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[..., None]
) -> None:
    answered(monkeypatch, "y\n")
    ask("Go on?", yes=False)
    answered(monkeypatch, "n\n")
    with pytest.raises(UsageProblem, match="nothing was changed"):
        ask("Go on?", yes=False)
    answered(monkeypatch, "")
    ask("Go on?", yes=True)


def test_a_script_is_refused_what_changes_more_than_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    confirm_here("Go on?", yes=False)
    with pytest.raises(UsageProblem, match="add --yes"):
        confirm("Go on?", yes=False)


def test_without_an_answer_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, "")  # Ctrl-D
    with pytest.raises(UsageProblem, match="nothing was changed"):
        confirm("Go on?", yes=False)


def test_ctrl_c_at_a_question_ends_the_command_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pressed(Terminal):
        def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
            del size
            signal.raise_signal(signal.SIGINT)
            return "y\n"

    monkeypatch.setattr("sys.stdin", Pressed())
    before = signal.signal(signal.SIGINT, lambda *_: None)  # as while a command runs: noted for later
    try:
        with pytest.raises(asyncio.CancelledError):
            confirm("Go on?", yes=False)
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
