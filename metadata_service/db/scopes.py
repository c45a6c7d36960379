"""Whose rows a transaction sees; and of one of several owners, which statements and answers are whose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from metadata_service.db.exchange import Result, Row, Statement

_SET_SCOPE: Final = "SELECT set_config('app.uid', %s, true), set_config('app.scope', %s, true)"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows a transaction sees: one user's (`uid`), or everybody's (`scope` is `system`)."""

    uid: str
    scope: str = ""

    def statement(self) -> Statement:
        """Sets both for the transaction in progress."""
        return _SET_SCOPE, (self.uid, self.scope)


SYSTEM: Final = Scope("", "system")


def erasing(owner_id: str) -> Scope:
    """The rows of an owner who is being erased: only here, and in the system's, may rows be added to them."""
    return Scope(owner_id, "erasure")


def user(owner_id: str) -> Scope:
    """The rows of one owner. Raises ValueError without one: an empty id would mean nobody."""
    if not owner_id:
        raise ValueError("a transaction needs an owner")
    return Scope(owner_id)


@dataclass(frozen=True, slots=True)
class Part:
    """What one owner has done in a transaction of several owners. ``silent``: nobody is woken because of its
    events; who has asked for it calls ``Database.tell`` if there were any.
    """

    owner_id: str
    statements: Sequence[Statement]
    silent: bool = False


def tells(statements: Iterable[Statement]) -> bool:
    """Whether one of them adds to the outbox: only then somebody may have to be woken after COMMIT."""
    return any("INTO events" in text for text, _ in statements)


def statements_of(parts: Sequence[Part]) -> list[Statement]:
    """All statements; each part's own stand behind the one that sets its owner's scope."""
    statements: list[Statement] = []
    for part in parts:
        statements += [user(part.owner_id).statement(), *part.statements]
    return statements


def owner_at(parts: Sequence[Part], end: int, place: int | None) -> str | None:
    """Whose statement stands at this place, when those of the parts begin at `end`; None: nobody's."""
    for part in parts:
        end += 1 + len(part.statements)
        if place is not None and place < end:
            return part.owner_id
    return None


def rows_of_parts(parts: Sequence[Part], results: list[Result]) -> list[list[list[Row]]]:
    """What each part's own statements answered; what sets scopes is left out."""
    place = 0
    rows = []
    for part in parts:
        first, place = place + 1, place + 1 + len(part.statements)
        rows.append([result.rows for result in results[first:place]])
    return rows
