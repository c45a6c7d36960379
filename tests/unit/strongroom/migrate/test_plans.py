"""A plan is written atomically, read back unchanged, and refused if it was damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from strongroom.migrate.entries import Entry
from strongroom.migrate.plans import Header, Plan, writing
from strongroom.migrate.problems import PlanProblem

HEADER = Header("7e57d004-2b97-4e7a-b45f-5387367791cd", "2026-11-29T08:00:00+00:00", {"kind": "directory"})
ENTRIES = [
    Entry("a/b.txt", "alice", "path", "a/b.txt", "b.txt", "text/plain", 5, "5 1"),
    Entry('a/new\nline, "quoted".txt', "bob", "uploads", name="new\nline.txt", size=0),
    Entry("=HYPERLINK(1)", "@eve", "uploads", name="+1.txt", size=1),
    Entry("'=kept", "-dash", "uploads", name="\ttab", size=1),
    Entry(
        "ünïcode 日本\u2028.png", "o", "generation", "text-to-image", details={"prompt": "a fox", "n": [1]}
    ),
    Entry("huge", "alice", "uploads", name="huge", size=1 << 40, why="it is too large"),
]


def written(path: Path) -> Path:
    with writing(path, HEADER) as write:
        for entry in ENTRIES:
            write(entry)
    return path


@pytest.mark.parametrize("name", ["plan.jsonl", "plan.csv", "PLAN.CSV"])
def test_every_entry_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    plan = Plan(written(tmp_path / name))
    assert plan.header == HEADER
    assert [entry for _, _, entry in plan.lines()] == ENTRIES
    assert list(plan) == ENTRIES[:-1]  # what can't move is only written down


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    text = written(tmp_path / "plan.csv").read_text()
    assert ",'=HYPERLINK(1),'@eve," in text
    assert not any(f",{sign}" in text for sign in "=+-@\t")


def test_a_plan_that_is_not_whole_does_not_run(tmp_path: Path) -> None:
    path = written(tmp_path / "plan.jsonl")
    path.write_text(path.read_text().removesuffix('{"end": 6}\n'))
    with pytest.raises(PlanProblem, match="is incomplete"):
        list(Plan(path))


def test_nothing_is_left_of_a_plan_that_failed(tmp_path: Path) -> None:
    with pytest.raises(AttributeError), writing(tmp_path / "plan.jsonl", HEADER) as write:
        write(None)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{not json", "line 2 is not a line"),
        ('{"action": "move", "reference": 5}', "line 2 is not a line"),
        ('{"action": "move", "reference": "a", "size": "many"}', "line 2 is not a line"),
        ('["a"]', "line 2 is not a line"),
        ('{"action": "delete", "reference": "a"}', "the action is move or skip"),
    ],
)
def test_a_spoiled_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_text(f'{json.dumps(HEADER.document())}\n{line}\n{{"end": 1}}\n')
    with pytest.raises(PlanProblem, match=said):
        list(Plan(path))


def test_lines_marked_skip_stay_where_they_are(tmp_path: Path) -> None:
    path = written(tmp_path / "plan.jsonl")
    path.write_text(path.read_text().replace('"move"', '"skip"', 2))
    assert list(Plan(path)) == ENTRIES[2:-1]


@pytest.mark.parametrize("content", ["", "hello\n", "{}\n", "[1]\n", "\x00\n"])
def test_other_files_are_no_plans(tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_text(content)
    with pytest.raises(PlanProblem, match="not a"):
        Plan(path)


def test_a_newer_form_is_left_to_a_newer_release(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_text(json.dumps(HEADER.document() | {"strongroom_plan": 2}) + "\n")
    with pytest.raises(PlanProblem, match="newer release"):
        Plan(path)


def test_the_same_line_is_the_same_entry_and_another_is_not() -> None:
    entry = ENTRIES[0]
    again = Entry("a/b.txt", "alice", "path", "a/b.txt", "b.txt", "text/plain", 5, "5 1")
    assert entry.identity("p") == again.identity("p")
    others = [entry.identity("q"), *(one.identity("p") for one in ENTRIES)]
    assert len({entry.identity("p"), *others}) == len(ENTRIES) + 1
