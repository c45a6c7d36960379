"""The write protocol in docs/consistency.md holds in every state; with a broken rule it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.model.explorer import explore
from tests.model.state import Rules

PROTOCOL = Rules()
SMALL = Rules(small=True)
MUTANTS = {
    "R1 no intent row": (PROTOCOL, {"intent_first": False}, "a visible file has no object"),
    "R2 early acknowledgement": (
        PROTOCOL,
        {"acknowledge_after_commit": False},
        "an acknowledged upload has no visible file",
    ),
    "R3 no compare-and-set": (
        PROTOCOL,
        {"compare_and_set": False, "roll_back": True},
        "a visible file has no object",
    ),
    "R4 compensation on doubt": (PROTOCOL, {"compensate_on_doubt": True}, "a visible file has no object"),
    "R6 no decision in the commit": (
        PROTOCOL,
        {"decide_in_commit": False},
        "two visible files for one request",
    ),
    "unrecorded uploads": (PROTOCOL, {"abort_unrecorded_uploads": False}, "a multipart upload is left"),
    "small, R1": (SMALL, {"intent_first": False}, "a visible file has no object"),
    "small, R2": (SMALL, {"acknowledge_after_commit": False}, "an acknowledged upload has no visible file"),
    "small, R3": (SMALL, {"compare_and_set": False}, "a visible file has no object"),
    "small, R4": (SMALL, {"compensate_on_doubt": True}, "a visible file has no object"),
    "small, R6": (SMALL, {"decide_in_commit": False}, "two visible files for one request"),
}


@pytest.mark.parametrize("attempts", [1, 2])
@pytest.mark.parametrize(
    "rules",
    [PROTOCOL, replace(PROTOCOL, roll_back=True), SMALL],
    ids=["roll forward", "roll back", "small bodies"],
)
def test_the_protocol_holds(attempts: int, rules: Rules) -> None:
    verdict = explore(attempts, rules)
    assert verdict.wrong == "", " ; ".join(verdict.trace)
    assert verdict.states > 40 * attempts


def test_no_state_of_two_attempts_is_left_out() -> None:
    """The figure in docs/consistency.md: if it changes, the model has changed, and the text must, too."""
    assert explore(2, PROTOCOL).states == 21_291


@pytest.mark.parametrize("name", MUTANTS)
def test_breaking_a_rule_is_found(name: str) -> None:
    rules, broken, wrong = MUTANTS[name]
    verdict = explore(2, replace(rules, **broken))
    assert verdict.wrong == wrong, " ; ".join(verdict.trace)
    assert verdict.trace


@pytest.mark.parametrize("rules", [PROTOCOL, SMALL], ids=["parts", "small bodies"])
def test_without_a_tombstone_only_a_sweep_of_the_bucket_finds_late_arrivals(rules: Rules) -> None:
    """R5. The tombstone alone is enough as well: then the bucket need not be listed."""
    assert explore(1, replace(rules, tombstone=False, sweep_bucket=False)).wrong in {
        "a multipart upload is left",
        "an object is left",
    }
    assert explore(1, replace(rules, sweep_bucket=False)).wrong == ""
