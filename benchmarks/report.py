"""Results as JSON and as Markdown tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.samples import Row
from benchmarks.targets import TARGETS, Check, Target

#: Headings for the forms of the system.
FORMS = {"one": "one process", "three": "three processes"}
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


@dataclass
class Result:
    """The result of a case.

    `unit`: of a row's amount (GiB, request; project: shown as time, not as a rate). `notes`: for readers.
    `form`: of the system, `one` process or `three`.
    """

    case: str
    title: str
    unit: str
    rows: list[Row] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    when: str = ""
    form: str = "three"

    @property
    def name(self) -> str:
        """The key of the result: a case has one for each form."""
        return self.case if self.form == "three" else f"{self.case}, {self.form} process"


def to_json(result: Result) -> dict[str, Any]:
    """The result for results.json."""
    return asdict(result)


def from_json(told: Mapping[str, Any]) -> Result:
    """The inverse of `to_json`. A target that has changed since has its current value."""
    known = TARGETS[told.get("form", "three")]
    checks = [
        Check(known.get(item["target"]["figure"], Target(**item["target"])), item["value"])
        for item in told["checks"]
    ]
    rows = [Row(**row) for row in told["rows"]]
    return Result(**{**told, "rows": rows, "checks": checks})


def load(path: Path) -> dict[str, Result]:
    """Earlier results by case; none if the file does not exist."""
    if not path.exists():
        return {}
    return {name: from_json(told) for name, told in json.loads(path.read_text()).items()}


def save(path: Path, results: Mapping[str, Result]) -> None:
    """Write results.json."""
    told = {name: to_json(result) for name, result in results.items()}
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def targets_table(results: Iterable[Result]) -> str:
    """The table of promised figures: target, measured value, verdict."""
    lines = ["| figure | must | goal | measured | |", "|---|---|---|---|---|"]
    for item in (check for result in results for check in result.checks):
        target, sign = item.target, "≥" if item.target.at_least else "≤"
        unit = f" {target.unit}" if target.unit else ""
        lines.append(
            f"| {target.figure} | {sign} {target.must:g}{unit} | {sign} {target.goal:g}{unit} "
            f"| {item.value:.3g}{unit} | {item.verdict} |"
        )
    return "\n".join(lines)


def _rate(row: Row, unit: str) -> str:
    if unit == "project":
        return f"{1 / row.rate:,.2f} s"
    return f"{row.rate * 1024:,.0f} MiB/s" if unit == "GiB" else f"{row.rate:,.1f}/s"


def _named(figures: Mapping[str, float], form: str) -> str:
    return ", ".join(f"{name} {value:{form}}" for name, value in figures.items())


def case_table(result: Result) -> str:
    """A case's rows: rate, CPU by process, peaks."""
    whole = result.unit in {"GiB", "project"}
    per = f"s/{result.unit}" if whole else f"ms/{result.unit}"
    scale = 1 if whole else 1000
    pace = "time" if result.unit == "project" else "rate"
    lines = [
        f"| | {pace} | CPU {per}: sum | by process | p50 ms | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    for row in result.rows:
        cpu = {name: seconds * scale for name, seconds in row.cpu.items()}
        latency = f"{row.latency:.2f}" if row.latency else ""
        lines.append(
            f"| {row.subject} | {_rate(row, result.unit)} | {sum(cpu.values()):.2f} | {_named(cpu, '.2f')} "
            f"| {latency} | {_named(row.peak, '.0f')} |"
        )
    return "\n".join(lines)


def markdown(results: Mapping[str, Result]) -> str:
    """The whole report: the promised figures, then each case."""
    blocks = []
    for form, said in FORMS.items():
        formed = [result for result in results.values() if result.form == form]
        if formed:
            blocks += [f"### Targets, {said}", targets_table(formed)]
    for result in results.values():
        blocks.append(f"### {result.title}, {FORMS[result.form]}")
        if result.rows:
            rounds = min(row.rounds for row in result.rows)
            blocks += [f"Case `{result.case}`, {result.when}, medians of {rounds}.", case_table(result)]
        else:
            blocks.append(f"Case `{result.case}`, {result.when}.")
        blocks += result.notes
    return "\n\n".join(blocks) + "\n"


def write_into(readme: Path, text: str) -> None:
    """Replace the text between the two marks of the README. Raises ValueError if they are missing."""
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} has no {BEGIN} … {END}")
    readme.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
