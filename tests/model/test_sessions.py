"""The state that two processes cache of an upload changes no answer; with a broken rule it does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.model.sessions import Rules, explore

GONE = "acknowledged bytes are gone or others"
UNTRUE = "the offset that was told is no longer true"
REFUSED = "a write at the offset that was told was refused"
MUTANTS = {
    "R3 no compare-and-set": ("compare_epoch", UNTRUE),
    "not asked when it began": ("ask_when_it_began", UNTRUE),
    "not asked what has come meanwhile": ("ask_what_came", GONE),
    "a HEAD that tells at once": ("wait_before_telling", REFUSED),
    "a slow recording is remembered": ("keep_only_what_was_prompt", REFUSED),
    "a failed write is remembered": ("forget_what_failed", GONE),
}


def test_remembering_keeps_what_was_told() -> None:
    """The figure in docs/consistency.md."""
    verdict = explore(3, Rules())
    assert verdict.wrong == "", " ; ".join(verdict.trace)
    assert verdict.states == 39_860


@pytest.mark.parametrize("name", MUTANTS)
def test_breaking_a_rule_is_found(name: str) -> None:
    rule, wrong = MUTANTS[name]
    verdict = explore(3, replace(Rules(), **{rule: False}))
    assert verdict.wrong == wrong, " ; ".join(verdict.trace)
    assert verdict.trace
