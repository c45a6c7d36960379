"""What a command prints: results to stdout (text or one JSON document a line), everything else to stderr."""

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

#: Standard output as a destination.
STDOUTS: Final = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


class Output:
    """Where a command's words go."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._held: list[str] | None = None

    def result(self, text: str, document: Mapping[str, Any]) -> None:
        """One result: ``text`` for people and pipes, ``document`` with ``--json``."""
        line = (json.dumps(document, ensure_ascii=True) if self.as_json else text) + "\n"
        if self._held is None:
            sys.stdout.write(line)
        else:
            self._held.append(line)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep results back until the end, where they would be written into bars on the same terminal."""
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
        """Something that is good to know; not with ``--quiet`` or ``--json``."""
        if not self.quiet and not self.as_json:
            sys.stderr.write(f"{shown.line(text)}\n")

    def problem(self, problem: Problem, subject: str = "") -> None:
        """A failure, on one line; its hint on another."""
        if self.as_json:
            document = {"error": problem.as_dict() | ({"subject": subject} if subject else {})}
            sys.stderr.write(json.dumps(document) + "\n")
            return
        where = f"{shown.name(subject)}: " if subject else ""
        sys.stderr.write(f"strongroom: {where}{shown.line(problem.message)}\n")
        if problem.hint:
            sys.stderr.write(f"  hint: {shown.line(problem.hint)}\n")

    def problem_of(self, subject: str, code: str, message: str) -> None:
        """A failure that was noted before, of ``subject``."""
        self.problem(Problem(code, message, "", ExitCode.FAILED), subject)

    @property
    def shows_progress(self) -> bool:
        """Whether somebody is there to watch bars."""
        return sys.stderr.isatty() and not self.quiet and not self.as_json


def rfc3339(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC with ``Z``."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def file_document(file: StoredFile) -> dict[str, Any]:
    """A file for ``--json``: every field; times as RFC 3339, the CRC-32C as eight hex digits."""
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
    """A value for ``--json``: times as RFC 3339, bytes in base64, also inside of others."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, datetime):
        return rfc3339(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
