"""Prints results to stdout (text, or one JSON document per line) and everything else to stderr."""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from strongroom.cli import shown
from strongroom.cli.problems import ExitCode, Problem
from strongroom.client.files import StoredFile

#: Names of standard output as a destination.
STDOUTS: Final = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


class Output:
    """The output of a command."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._held: list[str] | None = None

    def result(self, text: str, document: Mapping[str, Any]) -> None:
        """Print one result: ``text``, or ``document`` with ``--json``."""
        line = (json.dumps(document, ensure_ascii=True) if self.as_json else text) + "\n"
        if self._held is None:
            sys.stdout.write(line)
        else:
            self._held.append(line)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold results back until the end if they would be written into progress bars on the same
        terminal.
        """
        if not sys.stdout.isatty():
            yield
            return
        self._held = []
        try:
            yield
        finally:
            lines, self._held = self._held, None
            sys.stdout.writelines(lines)

    def note(self, text: str) -> None:
        """Print additional information; not with ``--quiet`` or ``--json``."""
        if not self.quiet and not self.as_json:
            sys.stderr.write(f"{shown.line(text)}\n")

    def problem(self, problem: Problem, subject: str = "") -> None:
        """Print a failure on one line, and its hint on another."""
        if self.as_json:
            document = {"error": problem.as_dict() | ({"subject": subject} if subject else {})}
            sys.stderr.write(json.dumps(document) + "\n")
            return
        where = f"{shown.name(subject)}: " if subject else ""
        sys.stderr.write(f"strongroom: {where}{shown.line(problem.message)}\n")
        if problem.hint:
            sys.stderr.write(f"  hint: {shown.line(problem.hint)}\n")

    def problem_of(self, subject: str, code: str, message: str) -> None:
        """Print a failure of ``subject`` that was recorded before."""
        self.problem(Problem(code, message, "", ExitCode.FAILED), subject)

    @property
    def shows_progress(self) -> bool:
        """Whether progress bars are visible to anybody."""
        return sys.stderr.isatty() and not self.quiet and not self.as_json


def rfc3339(moment: datetime | None) -> str | None:
    """Return a time as RFC 3339 in UTC with ``Z``; None for None."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def file_document(file: StoredFile) -> dict[str, Any]:
    """Return a file for ``--json``: every field; times as RFC 3339, the CRC-32C as eight hexadecimal
    digits.
    """
    document: dict[str, Any] = {}
    for field in dataclasses.fields(file):
        value = getattr(file, field.name)
        if isinstance(value, datetime):
            value = rfc3339(value)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = plain(dataclasses.asdict(value))
        elif isinstance(value, Mapping):
            value = dict(value)
        document[field.name] = value
    return document | {"crc32c": f"{file.crc32c:08x}"}


def plain(value: object) -> object:
    """Return a value for ``--json``, recursively: times as RFC 3339, bytes in base64."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, datetime):
        return rfc3339(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
