"""Medians, verdicts, and the tables made of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.samples import Sample, interleaved, row_of
from benchmarks.targets import TARGETS, Check, Target, check


@pytest.fixture
def result() -> report.Result:
    samples = [Sample(seconds=s, amount=2.0, cpu={"gateway": s}, peak={"gateway": 50 + s}) for s in (1, 9, 2)]
    return report.Result(
        case="upload",
        title="Upload",
        unit="GiB",
        rows=[row_of("gateway", samples)],
        checks=[check("upload MiB/s ÷ naive app", 2.0)],
        notes=["A note."],
        when="today",
    )


def test_each_figure_is_its_own_median(result: report.Result) -> None:
    (row,) = result.rows
    assert (row.rounds, row.rate, row.cpu_of("gateway"), row.peak["gateway"]) == (3, 1.0, 1.0, 52)


def test_rounds_are_interleaved() -> None:
    order: list[str] = []

    def subject(name: str) -> Sample:
        order.append(name)
        return Sample(seconds=1, amount=1, latency=0.5)

    rows = interleaved({"a": lambda: subject("a"), "b": lambda: subject("b")}, 3)
    assert order == ["a", "b"] * 3
    assert rows["b"].latency == 500


@pytest.mark.parametrize(
    ("at_least", "value", "verdict"),
    [
        (False, 0.5, "✓✓"),
        (False, 0.6, "✓"),
        (False, 1.2, "✗ by 100%"),
        (True, 0.6, "✓✓"),
        (True, 0.3, "✗ by 50%"),
    ],
)
def test_verdicts(at_least: bool, value: float, verdict: str) -> None:
    assert Check(Target("x", must=0.6, goal=0.5, at_least=at_least), value).verdict == verdict


def test_every_goal_is_at_least_as_hard_as_its_promise() -> None:
    every = [target for form in TARGETS.values() for target in form.values()]
    assert all(Check(target, target.goal).keeps(target.must) for target in every)


def test_results_survive_the_file(result: report.Result, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert report.load(path) == {}
    report.save(path, {"upload": result})
    assert report.load(path) == {"upload": result}


def test_each_form_has_targets_and_results_of_its_own(result: report.Result, tmp_path: Path) -> None:
    checks = [check("upload MiB/s ÷ naive app", 3.0, "one")]
    one = dataclasses.replace(result, form="one", checks=checks)
    results = {found.name: found for found in (one, result)}
    assert list(results) == ["upload, one process", "upload"]
    report.save(tmp_path / "results.json", results)
    text = report.markdown(report.load(tmp_path / "results.json"))
    assert "| upload MiB/s ÷ naive app | ≥ 3.5 | ≥ 6 | 3 | ✗ by 14% |" in text
    assert "| upload MiB/s ÷ naive app | ≥ 2.5 | ≥ 3 | 2 | ✗ by 20% |" in text
    assert text.index("### Targets, one process") < text.index("### Targets, three processes")


def test_the_tables(result: report.Result) -> None:
    text = report.markdown({"upload": result})
    assert "| upload MiB/s ÷ naive app | ≥ 2.5 | ≥ 3 | 2 | ✗ by 20% |" in text
    assert "| gateway | 1,024 MiB/s | 1.00 | gateway 1.00 |  | gateway 52 |" in text
    assert "medians of 3" in text
    assert "A note." in text


def test_steps_of_a_project_are_told_in_seconds() -> None:
    sample = Sample(seconds=2.5, amount=1.0, cpu={"storage": 0.5, "store": 0.25}, peak={"storage": 90})
    told = report.case_table(report.Result("project", "A project", "project", [row_of("save", [sample])]))
    assert "| | time | CPU s/project: sum |" in told
    assert "| save | 2.50 s | 0.75 | storage 0.50, store 0.25 |  | storage 90 |" in told


def test_the_table_goes_between_the_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write_into(readme, "new")
    assert readme.read_text() == f"before\n{report.BEGIN}\n\nnew\n{report.END}\nafter\n"


def test_a_readme_without_marks_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("no marks\n")
    with pytest.raises(ValueError, match="has no"):
        report.write_into(readme, "new")
    assert readme.read_text() == "no marks\n"
