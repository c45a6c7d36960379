"""A transaction shared by several attempts keeps R2 and R4 for each; with a broken rule it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.model.groups import Rules, explore

MUTANTS = {
    "R2 early replies": ("reply_after_commit", "an answer for what was not committed"),
    "R4 each alone on doubt": ("doubt_is_everybodys", "one attempt was written twice"),
    "the bad one's refusal for all": ("failure_is_the_bad_ones", "a good member was refused"),
    "half a group": ("all_or_none", "a part of the group is there"),
    "a worker's end that nobody hears of": ("death_is_told", "a caller waits for ever"),
}


@pytest.mark.parametrize("members", [1, 2, 3])
def test_a_group_keeps_the_rules(members: int) -> None:
    verdict = explore(members, Rules())
    assert verdict.wrong == "", " ; ".join(verdict.trace)


def test_no_state_of_three_members_is_left_out() -> None:
    """The figure in docs/consistency.md."""
    assert explore(3, Rules()).states == 2_690


@pytest.mark.parametrize("name", MUTANTS)
def test_breaking_a_rule_is_found(name: str) -> None:
    rule, wrong = MUTANTS[name]
    verdict = explore(2, replace(Rules(), **{rule: False}))
    assert verdict.wrong == wrong, " ; ".join(verdict.trace)
    assert verdict.trace
