"""Rule R3 (docs/consistency.md): only one package writes the state of a blob, by named transitions."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from metadata_service.blobs import transitions
from metadata_service.blobs.transitions import Transition
from tests.unit.house.test_house import text_of, written_code

HOME = ("metadata_service", "blobs")
#: Statements of the past stay as they were.
MIGRATIONS = ("metadata_service", "db", "migrations")
WRITES = re.compile(
    r"\b(?:UPDATE\s+(?:ONLY\s+)?|INSERT\s+INTO\s+|DELETE\s+FROM\s+|MERGE\s+INTO\s+)blobs\b", re.IGNORECASE
)
#: A state as a bare number, in whatever statement.
NUMBERED = re.compile(r"\bstate\s*(?:=|<>|!=|(?:NOT\s+)?IN\s*\()\s*[0-9]", re.IGNORECASE)


def sql_code() -> list[PurePosixPath]:
    return [path for path in written_code() if path.parts[0] == "metadata_service" and path.suffix == ".py"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE blobs SET state = 5",
        "update  blobs set",
        "INSERT INTO blobs (",
        "WITH x AS (INSERT INTO\n blobs",
        "DELETE FROM blobs WHERE",
        "UPDATE ONLY blobs",
    ],
)
def test_a_statement_that_writes_blobs_is_seen(statement: str) -> None:
    assert WRITES.search(statement)


def test_blobs_are_written_in_one_package() -> None:
    elsewhere = [
        str(path)
        for path in sql_code()
        if path.parts[:2] != HOME and path.parts[:3] != MIGRATIONS and WRITES.search(text_of(path))
    ]
    assert elsewhere == []
    assert [str(path) for path in sql_code() if path.parts[:2] == HOME and WRITES.search(text_of(path))]


def test_only_transitions_and_inserts_write_the_state() -> None:
    assert [
        path.name
        for path in sql_code()
        if path.parts[:2] == HOME
        and re.search(r"SET\s+(?:state\b|\{changes)|[^.]\bstate = \{self\.to", text_of(path))
    ] == ["transitions.py"]
    assert [
        path.name for path in sql_code() if path.parts[:2] == HOME and "INSERT INTO blobs" in text_of(path)
    ] == ["inserts.py"]


@pytest.mark.parametrize("text", ["state = 1", "blobs.state IN (1, 2)", "state <> 3", "state NOT IN (4"])
def test_a_bare_number_is_seen(text: str) -> None:
    assert NUMBERED.search(text)


def test_states_have_names_in_statements() -> None:
    bare = [
        str(path) for path in sql_code() if path.parts[:3] != MIGRATIONS and NUMBERED.search(text_of(path))
    ]
    assert bare == []


def test_the_document_names_each_transition() -> None:
    document = (Path(__file__).resolve().parents[3] / "docs" / "consistency.md").read_text("utf-8")
    named = {name for name, value in vars(transitions).items() if isinstance(value, Transition)}
    assert len(named) >= 9
    assert {name for name in named if f"`{name}`" not in document} == set()


def test_a_transition_compares_before_it_sets() -> None:
    for name, value in vars(transitions).items():
        if isinstance(value, Transition):
            statement = value.of("id = 1")
            assert re.search(r"\bstate (?:=|IN)", statement.partition("WHERE")[2]), name
            assert statement.startswith(f"UPDATE blobs SET state = {value.to}, "), name
