"""The possible states of a user's belongings after each request, by a model.

An answered request has one outcome in each state. One without an answer may have been done or not or, if it
is several transactions, in part. So the set of states that fit all answers and observations so far is kept,
and it may not become empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias, TypeVar

S = TypeVar("S")

Steps: TypeAlias = tuple[S, ...]
"""The states through which a request goes, one per transaction; none: it is refused."""
Request: TypeAlias = Callable[[S], Steps[S]]
Fits: TypeAlias = Callable[[S, S], bool]
"""Whether an answer fits a request that changed the first state to the second."""


def anything(before: S, after: S) -> bool:
    """The answer only says that it was done."""
    return True


def answered(possible: Iterable[S], request: Request[S], fits: Fits[S] = anything) -> set[S]:
    """The states after a success."""
    return {steps[-1] for before in possible if (steps := request(before)) and fits(before, steps[-1])}


def refused(possible: Iterable[S], request: Request[S]) -> set[S]:
    """The states after a refusal, which changes nothing."""
    return {state for state in possible if not request(state)}


def unanswered(possible: Iterable[S], request: Request[S]) -> set[S]:
    """The states after a request without an answer."""
    return {after for state in possible for after in (state, *request(state))}
