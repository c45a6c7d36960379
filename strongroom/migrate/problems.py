"""Problems of a plan, a source or an entry. Their messages are for the user who plans."""

from __future__ import annotations


class PlanProblem(ValueError):
    """The plan, its source or the options are wrong; the message says what to change."""


class SourceGone(Exception):
    """The planned thing no longer exists."""


class SourceChanged(Exception):
    """The planned thing has changed since it was planned; nothing of it was stored."""


class SourceFailed(Exception):
    """The source can't be read now; the message says why."""
