"""Quotes arbitrary text and names for SQL."""

from __future__ import annotations

from strongroom.migrate.problems import PlanProblem


def literal(text: str) -> str:
    """Return text as a string literal of standard SQL.

    :raises PlanProblem: it contains NUL, which Postgres can't store in text.
    """
    if "\0" in text:
        raise PlanProblem(f"{text!a} contains a NUL character, which SQL text can't")
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Return a name as a quoted identifier.

    :raises PlanProblem: it is empty or contains NUL.
    """
    if not name or "\0" in name:
        raise PlanProblem("the name of a table or column is empty, or contains a NUL character")
    return '"' + name.replace('"', '""') + '"'


def table_name(name: str) -> str:
    """Return ``table`` or ``schema.table`` as quoted identifiers.

    :raises PlanProblem: as ``identifier``.
    """
    return ".".join(identifier(part) for part in name.split("."))
