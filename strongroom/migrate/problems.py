"""What can be wrong with a plan, a source or one entry; the words are for whoever plans."""

from __future__ import annotations


class PlanProblem(ValueError):
    """The plan, its source or the options can't work; the message says what to change."""


class SourceGone(Exception):
    """What was planned is no longer there."""


class SourceChanged(Exception):
    """What was planned is no longer what it was; nothing of it was stored."""


class SourceFailed(Exception):
    """The source can't be read now; the message says why."""
