"""Findings of the doctor: one line for each check, and another one with the fix."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from strongroom.cli import shown


class Status(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. ``mend``: how to fix the problem; empty if there is none."""

    check: str
    status: Status
    detail: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the finding for ``--json``."""
        return {"check": self.check, "status": self.status.value, "detail": self.detail, "mend": self.mend}


def ok(check: str, detail: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(check, Status.OK, detail)


def warn(check: str, detail: str, mend: str) -> Finding:
    """Return a finding that works but should be looked at."""
    return Finding(check, Status.WARN, detail, mend)


def fail(check: str, detail: str, mend: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(check, Status.FAIL, detail, mend)


def line(finding: Finding) -> str:
    """Return the finding as text."""
    text = f"{finding.status.value:<4}  {finding.check}: {shown.line(finding.detail)}"
    return f"{text}\n      fix: {shown.line(finding.mend)}" if finding.mend else text
