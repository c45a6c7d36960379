"""Scopes of transactions, which decide whose rows are visible; and the parts of a transaction of several
owners.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from metadata_service.db.exchange import Result, Row, Statement

#: How each statement that writes to the outbox does it; `tells` knows it by this.
INSERT_EVENTS: Final = "INSERT INTO events (owner_id, type, subject_id, payload, traceparent)"
_SET_SCOPE: Final = "SELECT set_config('app.uid', %s, true), set_config('app.scope', %s, true)"


@dataclass(frozen=True, slots=True)
class Scope:
    """The rows that a transaction sees: those of one user (`uid`), or all (`scope` is `system`)."""

    uid: str
    scope: str = ""

    def statement(self) -> Statement:
        """The statement that sets both for the current transaction."""
        return _SET_SCOPE, (self.uid, self.scope)


SYSTEM: Final = Scope("", "system")


def erasing(owner_id: str) -> Scope:
    """The rows of an owner who is being erased. Only this scope and the system's can add rows for
    that owner.
    """
    return Scope(owner_id, "erasure")


def user(owner_id: str) -> Scope:
    """The rows of one owner. Raises ValueError if the id is empty."""
    if not owner_id:
        raise ValueError("a transaction needs an owner")
    return Scope(owner_id)


@dataclass(frozen=True, slots=True)
class Part:
    """The statements of one owner in a transaction of several owners.

    ``silent``: its events wake nobody; the caller calls ``Database.tell`` if there were any.
    """

    owner_id: str
    statements: Sequence[Statement]
    silent: bool = False


def tells(statements: Iterable[Statement]) -> bool:
    """Whether one of the statements writes to the outbox, so that watchers may have to be woken
    after COMMIT.
    """
    return any(INSERT_EVENTS in text for text, _ in statements)


def statements_of(parts: Sequence[Part]) -> list[Statement]:
    """All statements, those of each part preceded by the one that sets its owner's scope."""
    statements: list[Statement] = []
    for part in parts:
        statements += [user(part.owner_id).statement(), *part.statements]
    return statements


def owner_at(parts: Sequence[Part], end: int, place: int | None) -> str | None:
    """The owner of the statement at index `place`, if the parts' statements begin at index `end`; None: no
    part's.
    """
    for part in parts:
        end += 1 + len(part.statements)
        if place is not None and place < end:
            return part.owner_id
    return None


def rows_of_parts(parts: Sequence[Part], results: list[Result]) -> list[list[list[Row]]]:
    """The rows of each part's statements, without the results of the statements that set scopes."""
    place = 0
    rows = []
    for part in parts:
        first, place = place + 1, place + 1 + len(part.statements)
        rows.append([result.rows for result in results[first:place]])
    return rows
