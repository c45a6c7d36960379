"""Failures of task groups."""

from __future__ import annotations


def first_cause(group: BaseExceptionGroup) -> BaseException:
    """The failure that made a task group end; the others are its echoes."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
