"""What the doctor found: one line for each check, and one more that says how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from strongroom.cli import shown


class Status(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. ``mend``: what to do about it; empty when there is nothing to do."""

    check: str
    status: Status
    detail: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """For ``--json``."""
        return {"check": self.check, "status": self.status.value, "detail": self.detail, "mend": self.mend}


def ok(check: str, detail: str) -> Finding:
    """All is well."""
    return Finding(check, Status.OK, detail)


def warn(check: str, detail: str, mend: str) -> Finding:
    """It works, but should be looked at."""
    return Finding(check, Status.WARN, detail, mend)


def fail(check: str, detail: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(check, Status.FAIL, detail, mend)


def line(finding: Finding) -> str:
    """The finding for people."""
    text = f"{finding.status.value:<4}  {finding.check}: {shown.line(finding.detail)}"
    return f"{text}\n      fix: {shown.line(finding.mend)}" if finding.mend else text
