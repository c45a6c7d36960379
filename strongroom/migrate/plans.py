"""Plans as files that people can read: JSON lines, or CSV.

The first line identifies the plan, and the last one marks it as complete. Between them is one line for each
entry, including those that can't be moved.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

from strongroom.client.local_files import replacing_text
from strongroom.migrate.entries import Entry
from strongroom.migrate.problems import PlanProblem

FORMAT: Final = 1
COLUMNS: Final = (
    "action", "reference", "owner", "family", "key", "name", "type", "size", "why", "stamp", "details",
)  # fmt: skip
MOVE, REFUSED, SKIP = "move", "refused", "skip"
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "'")
_BEGIN, _END = "#strongroom-plan", "#end"


@dataclass(frozen=True, slots=True)
class Header:
    """``source``: how to reopen it, without secrets. ``made_at``: RFC 3339, UTC."""

    plan_id: str
    made_at: str
    source: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the header as it is written to the file."""
        return {
            "strongroom_plan": FORMAT,
            "plan_id": self.plan_id,
            "made_at": self.made_at,
            "source": dict(self.source),
        }

    @classmethod
    def of(cls, document: Any, path: Path) -> Header:
        """Parse a header.

        :raises PlanProblem: the file is not a plan, or was made by a newer release.
        """
        if not isinstance(document, dict) or "plan_id" not in document:
            raise _no_plan(path)
        if document.get("strongroom_plan") != FORMAT:
            raise PlanProblem(f"{path} was made by a newer release; run it with that one, or plan again")
        return cls(str(document["plan_id"]), str(document["made_at"]), dict(document["source"]))


@contextmanager
def writing(path: Path, header: Header) -> Generator[Callable[[Entry], None]]:
    """Write a plan atomically: ``path`` appears when it is complete. Yields the function that adds an entry.

    CSV if the name ends in ``.csv``, else JSON lines.
    """
    form = _Csv if path.suffix.lower() == ".csv" else _Lines
    with replacing_text(path) as file:
        writer = form(file)
        writer.begin(header)
        yield writer.add
        writer.end()


class _Lines:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._count = 0

    def begin(self, header: Header) -> None:
        self._line(header.document())

    def add(self, entry: Entry) -> None:
        self._count += 1
        self._line({name: value for name, value in _cells(entry).items() if value not in ("", None, {})})

    def end(self) -> None:
        self._line({"end": self._count})

    def _line(self, document: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(document, ensure_ascii=False) + "\n")


class _Csv:
    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self._count = 0

    def begin(self, header: Header) -> None:
        self._writer.writerow([_BEGIN, json.dumps(header.document(), ensure_ascii=False)])
        self._writer.writerow(COLUMNS)

    def add(self, entry: Entry) -> None:
        self._count += 1
        cells = _cells(entry)
        details = cells["details"]
        cells["details"] = json.dumps(details, ensure_ascii=False) if details else ""
        self._writer.writerow([_harmless(cells[name]) for name in COLUMNS])

    def end(self) -> None:
        self._writer.writerow([_END, self._count])


def _cells(entry: Entry) -> dict[str, Any]:
    cells: dict[str, Any] = {name: getattr(entry, name) for name in COLUMNS if name != "action"}
    return {"action": REFUSED if entry.why else MOVE, **cells, "details": dict(entry.details)}


class Plan:
    """A plan in a file. It can be iterated repeatedly, and is never in memory as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = self._header()

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries to move, without those that can't be moved or were marked ``skip``.

        :raises PlanProblem: names the line that can't be read; or the plan is incomplete.
        """
        for number, action, entry in self.lines():
            if action == MOVE:
                yield entry
            elif action not in {REFUSED, SKIP}:
                raise PlanProblem(
                    f"{self.path}, line {number}: the action is {MOVE} or {SKIP}, not {action!r}"
                )

    def lines(self) -> Iterator[tuple[int, str, Entry]]:
        """Yield line number, action and entry of all entries."""
        is_whole = False
        for number, document in self._documents():
            if not isinstance(document, dict):
                raise self._unreadable(number)
            if "end" in document:
                is_whole = True
                continue
            yield number, str(document.get("action", MOVE)), self._entry(number, document)
        if not is_whole:
            raise PlanProblem(f"{self.path} is incomplete: its last line is missing; plan again")

    def _header(self) -> Header:
        try:
            _, first = next(iter(self._raw()))
        except (StopIteration, UnicodeDecodeError):
            raise _no_plan(self.path) from None
        return Header.of(first, self.path)

    def _documents(self) -> Iterator[tuple[int, Any]]:
        found = iter(self._raw())
        next(found)
        yield from found

    def _raw(self) -> Iterator[tuple[int, Any]]:
        with self.path.open(encoding="utf-8", newline="") as file:
            if self.path.suffix.lower() == ".csv":
                yield from self._csv(file)
            else:
                yield from self._json(file)

    def _json(self, file: TextIO) -> Iterator[tuple[int, Any]]:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except ValueError:
                raise self._unreadable(number) from None

    def _csv(self, file: TextIO) -> Iterator[tuple[int, Any]]:
        csv.field_size_limit(16 << 20)
        reader = csv.reader(file)
        columns: list[str] = []
        for row in reader:
            number = reader.line_num
            try:
                if row and row[0] == _BEGIN:
                    yield number, json.loads(row[1])
                elif row and row[0] == _END:
                    yield number, {"end": row[1]}
                elif row and not columns:
                    columns = row
                elif row:
                    yield number, dict(zip(columns, map(_meant, row), strict=True))
            except (ValueError, IndexError):
                raise self._unreadable(number) from None

    def _entry(self, number: int, document: Any) -> Entry:
        try:
            size, details = document.get("size"), document.get("details") or {}
            return Entry(
                reference=_text(document, "reference"),
                owner=_text(document, "owner"),
                family=_text(document, "family"),
                key=_text(document, "key"),
                name=_text(document, "name"),
                type=_text(document, "type"),
                size=None if size in ("", None) else int(size),
                stamp=_text(document, "stamp"),
                details=json.loads(details) if isinstance(details, str) else dict(details),
                why=_text(document, "why"),
            )
        except (ValueError, TypeError, AttributeError):
            raise self._unreadable(number) from None

    def _unreadable(self, number: int) -> PlanProblem:
        return PlanProblem(f"{self.path}, line {number} is not a line of a plan; correct it, or plan again")


def _harmless(value: Any) -> str:
    """Return a cell that no spreadsheet evaluates as a formula, because its text comes from users."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _meant(cell: str) -> str:
    return cell.removeprefix("'")


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _no_plan(path: Path) -> PlanProblem:
    return PlanProblem(f"{path} is not a plan; `strongroom migrate plan` makes one")


def table(rows: Iterable[Iterable[Any]]) -> str:
    """Return the rows as CSV."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
