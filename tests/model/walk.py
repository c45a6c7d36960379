"""Walks through every reachable state of a model, breadth first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True)
class Verdict:
    """`wrong` is empty if the rules hold; else `trace` is the shortest path to the violation."""

    states: int
    wrong: str = ""
    trace: tuple[str, ...] = ()


def walk(
    starts: Iterable[State],
    moves: Callable[[State], Iterable[tuple[str, State]]],
    violation: Callable[[State], str],
) -> Verdict:
    """Visit each state once. `moves`: its transitions, with labels; `violation`: the rule that a state
    breaks, or empty.
    """
    came_from: dict[State, tuple[str, State] | None] = dict.fromkeys(starts)
    waiting = deque(came_from)
    while waiting:
        state = waiting.popleft()
        if wrong := violation(state):
            return Verdict(len(came_from), wrong, _trace(came_from, state))
        for label, following in moves(state):
            if following not in came_from:
                came_from[following] = (label, state)
                waiting.append(following)
    return Verdict(len(came_from))


def _trace(came_from: dict[State, tuple[str, State] | None], state: State) -> tuple[str, ...]:
    labels: list[str] = []
    while (step := came_from[state]) is not None:
        label, state = step
        labels.append(label)
    return tuple(reversed(labels))
