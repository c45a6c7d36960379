"""Tuples of things identified by the number of the request that created them, in the order of the numbers."""

from __future__ import annotations

from typing import Protocol, TypeVar


class Numbered(Protocol):
    """A named tuple with a number."""

    @property
    def number(self) -> int: ...


N = TypeVar("N", bound=Numbered)


def at(things: tuple[N, ...], number: int) -> N | None:
    """The one with this number."""
    return next((thing for thing in things if thing.number == number), None)


def added(things: tuple[N, ...], thing: N) -> tuple[N, ...]:
    """Add a thing; a repeat adds nothing."""
    if at(things, thing.number) is not None:
        return things
    return tuple(sorted((*things, thing), key=lambda one: one.number))


def changed(things: tuple[N, ...], thing: N) -> tuple[N, ...]:
    """Replace the thing with its number."""
    return tuple(thing if one.number == thing.number else one for one in things)
