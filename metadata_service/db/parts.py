"""The statements of a transaction of several owners, and whose answers are whose."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from metadata_service.db.exchange import Part, Result, Row, Statement


def statements_of(parts: Sequence[Part], scope: Callable[[str], Statement]) -> list[Statement]:
    """All statements, before each part's own its owner's ``scope``."""
    statements: list[Statement] = []
    for part in parts:
        statements += [scope(part.owner_id), *part.statements]
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
