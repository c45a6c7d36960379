"""What a user's belongings may be after each request, by a model of them.

A request that was answered has one outcome in each state; one without an answer may have been made, or not,
or, where it is several transactions, in part. So what is kept is the set of states that fit all answers and
all looks so far, and it may not become empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias, TypeVar

S = TypeVar("S")

Steps: TypeAlias = tuple[S, ...]
"""The states that a request goes through, each a transaction; none: it is refused."""
Request: TypeAlias = Callable[[S], Steps[S]]
Fits: TypeAlias = Callable[[S, S], bool]
"""Whether an answer can be of a request that made the second state of the first one."""


def anything(before: S, after: S) -> bool:
    """The answer says no more than that it was done."""
    return True


def answered(possible: Iterable[S], request: Request[S], fits: Fits[S] = anything) -> set[S]:
    """After a success."""
    return {steps[-1] for before in possible if (steps := request(before)) and fits(before, steps[-1])}


def refused(possible: Iterable[S], request: Request[S]) -> set[S]:
    """After a refusal, which changes nothing."""
    return {state for state in possible if not request(state)}


def unanswered(possible: Iterable[S], request: Request[S]) -> set[S]:
    """When nobody knows."""
    return {after for state in possible for after in (state, *request(state))}
