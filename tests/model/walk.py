"""Walks through every state that a model can reach, breadth first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

State = TypeVar("State", bound=Hashable)


@dataclass(frozen=True)
class Verdict:
    """`wrong` is empty when the rules hold; else `trace` is the shortest way there."""

    states: int
    wrong: str = ""
    trace: tuple[str, ...] = ()


def walk(
    starts: Iterable[State],
    moves: Callable[[State], Iterable[tuple[str, State]]],
    violation: Callable[[State], str],
) -> Verdict:
    """Look at each state once. `moves`: what may happen next, with its label; `violation`: which rule a state
    breaks, or nothing.
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
