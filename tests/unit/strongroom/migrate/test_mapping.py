"""The new name of each reference: CSV for programs, and SQL that no name can break."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from strongroom.migrate.entries import Entry
from strongroom.migrate.journal import Journal, Stored
from strongroom.migrate.mapping import Update, write_csv, write_failed, write_sql
from strongroom.migrate.plans import Header
from strongroom.migrate.problems import PlanProblem
from strongroom.migrate.quoting import identifier, literal

BASE = "https://files.example.com"
EVENT = "0b5c1f0e-1111-4222-8333-444455556666"
ROWS = [
    ("uploads", "a.txt", Stored("id1", "uploads/alice/ü 1.txt", 5, 1, bytes(32))),
    ("generation", "x'; DROP TABLE users; --", Stored("id2", "alice/text-to-image/2.png", 5, 1, bytes(32))),
    ("event_media", 'b"\\\n', Stored("id3", f"events/{EVENT}/media/2026/01/01/3.jpg", 5, 1, bytes(32))),
    ("project", "site/", Stored("id4", "site", 5, 0, bytes(32), 1)),
]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "j", Header("p", ""))
    journal.begin(
        [(str(number), Entry(name, "alice", family)) for number, (family, name, _) in enumerate(ROWS)]
    )
    journal.begin([("bad", Entry("bad", "alice", "uploads"))])
    journal.done([(str(number), stored) for number, (_, _, stored) in enumerate(ROWS)])
    journal.failed([("bad", "QUOTA_EXCEEDED", "no room")])
    return journal


def test_the_csv_has_a_row_for_each_with_its_url(journal: Journal, tmp_path: Path) -> None:
    assert write_csv(journal, tmp_path / "map.csv", BASE) == 4
    with (tmp_path / "map.csv").open(newline="") as file:
        rows = {row["reference"]: row for row in csv.DictReader(file)}
    assert [rows[name]["url"] for _, name, _ in ROWS] == [
        f"{BASE}/api/v1/s3/file/uploads/alice/%C3%BC%201.txt",
        f"{BASE}/api/generations/id2/content",
        f"{BASE}/api/v1/events/{EVENT}/media/id3/download",
        f"{BASE}/api/projects/site",
    ]
    assert rows["a.txt"]["crc32c"] == "00000001"


def test_what_failed_has_a_file_of_its_own_while_there_is_any(journal: Journal, tmp_path: Path) -> None:
    assert write_failed(journal, tmp_path / "failed.csv") == 1
    assert "QUOTA_EXCEEDED,no room" in (tmp_path / "failed.csv").read_text()
    journal.begin([("bad", Entry("bad", "alice", "uploads"))])
    journal.done([("bad", ROWS[0][2])])
    assert write_failed(journal, tmp_path / "failed.csv") == 0
    assert not (tmp_path / "failed.csv").exists()


def test_the_sql_quotes_every_name(journal: Journal, tmp_path: Path) -> None:
    update = Update.of('app.my"table', "s3_key", ["new_key=key", "new_url=url"])
    assert write_sql(journal, tmp_path / "map.sql", BASE, update) == 4
    text = (tmp_path / "map.sql").read_text()
    assert "('x''; DROP TABLE users; --', 'alice', 'id2'," in text
    assert """('b"\\\n', 'alice', 'id3',""" in text
    assert 'UPDATE "app"."my""table" AS old SET "new_key" = moved.key, "new_url" = moved.url' in text
    assert text.startswith("-- ")
    assert text.endswith("COMMIT;\n")


def test_without_a_table_the_sql_shows_how(journal: Journal, tmp_path: Path) -> None:
    write_sql(journal, tmp_path / "map.sql", BASE, None)
    text = (tmp_path / "map.sql").read_text()
    assert "-- UPDATE your_table" in text
    assert "\nUPDATE" not in text


@pytest.mark.parametrize("sets", ["key", "=key", "a=b", "a=", ""])
def test_what_can_not_be_set_is_told(sets: str) -> None:
    with pytest.raises(PlanProblem, match="--set is COLUMN=id"):
        Update.of("t", "m", [sets])


def test_sql_text_holds_no_nul() -> None:
    with pytest.raises(PlanProblem):
        literal("a\0b")
    with pytest.raises(PlanProblem):
        identifier("")
