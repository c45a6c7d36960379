"""``python -m benchmarks [--quick] [--case NAME …]``: measure, print, and write the table into README.md."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import report, scanner
from benchmarks.attacks.named import ATTACKS
from benchmarks.cases import CASES, IN_ONE_PROCESS
from benchmarks.report import FORMS
from benchmarks.stack import Form
from benchmarks.workbench import QUICK, Scale, Workbench

_HERE = Path(__file__).parent


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--case", action="append", choices=sorted(CASES), help="only this one; may be repeated"
    )
    parser.add_argument(
        "--form", choices=(*FORMS, "both"), default="both", help="the services in one process, or in three"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: does it run at all?")
    parser.add_argument("--rounds", type=int, help="instead of 5")
    parser.add_argument("--seconds", type=float, help="of each loop of small requests, instead of 5")
    parser.add_argument(
        "--attack",
        action="append",
        choices=sorted(ATTACKS),
        help="only this one of the case fairness; likewise",
    )
    parser.add_argument("--folder", type=Path, help="for data and logs; default: a temporary one, removed")
    parser.add_argument(
        "--results", type=Path, help="JSON; default benchmarks/results.json, none when --quick"
    )
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(scale: Scale, names: list[str], folder: Path, form: Form) -> dict[str, report.Result]:
    """Run these cases on one workbench."""
    bench = Workbench(scale, folder, _say, form)
    found = {}
    try:
        for name in names:
            began = time.monotonic()
            when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
            result = dataclasses.replace(CASES[name](bench), when=when, form=form)
            found[result.name] = result
            _say(f"{result.name}: {time.monotonic() - began:.0f} s\n{report.case_table(result)}\n")
    finally:
        bench.close()
    return found


def _chosen(parser: argparse.ArgumentParser, named: list[str] | None) -> list[str]:
    """The cases to run. A case that this machine can't run is reported before anything is measured."""
    cases = named or list(CASES)
    if "scanning" in cases and scanner.clamd() is None:
        if named:
            parser.error(scanner.MISSING)
        _say(f"left out: {scanner.MISSING}")
        cases.remove("scanning")
    return cases


def _wanted(cases: list[str], form: str) -> dict[Form, list[str]]:
    """The cases to run in each form."""
    wanted: dict[Form, list[str]] = {}
    if form != "three":
        wanted["one"] = [name for name in cases if name in IN_ONE_PROCESS]
    if form != "one":
        wanted["three"] = cases
    return wanted


def main() -> None:
    """Measure and report."""
    parser = _parser()
    arguments = parser.parse_args()
    cases = _chosen(parser, arguments.case)
    scale = QUICK if arguments.quick else Scale()
    if arguments.rounds:
        scale = dataclasses.replace(scale, rounds=arguments.rounds)
    if arguments.seconds:
        scale = dataclasses.replace(scale, loop_seconds=arguments.seconds)
    if arguments.attack:
        scale = dataclasses.replace(scale, attacks=tuple(arguments.attack))
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # as root, Postgres runs as another user
        found: dict[str, report.Result] = {}
        for form, names in _wanted(cases, arguments.form).items():
            place = folder / form
            place.mkdir(exist_ok=True)
            place.chmod(0o755)
            found |= measure(scale, names, place, form)
    path = arguments.results or (None if arguments.quick else _HERE / "results.json")
    if path is not None:
        merged = report.load(path) | found
        order = [name for case in CASES for name in (f"{case}, one process", case)]
        found = {name: merged[name] for name in order if name in merged}
        report.save(path, found)
    if not arguments.quick:
        report.write_into(_HERE / "README.md", report.markdown(found))
    print(report.markdown(found))


if __name__ == "__main__":
    main()
