"""Confirmations: when they are asked, and the effect of the answer."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from strongroom.cli.asking import confirm, confirm_here
from strongroom.cli.problems import UsageProblem


class Terminal(io.StringIO):
    """Somebody who types."""

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
