"""A run's journal: durable, for one plan, used by one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.migrate.entries import Entry
from strongroom.migrate.journal import BEGUN, CLEARED, DONE, FAILED, Journal, Stored
from strongroom.migrate.plans import Header
from strongroom.migrate.problems import PlanProblem

HEADER = Header("plan-1", "2026-11-29T08:00:00+00:00")
ONE = Entry("a.txt", "alice", "uploads", name="a.txt", size=5)
STORED = Stored("id", "uploads/alice/id.txt", 5, 0xFFFFFFFF, bytes(32))


def test_an_entry_goes_from_begun_to_cleared(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", HEADER) as journal:
        assert journal.is_new
        assert journal.state_of("1") is None
        journal.begin([("1", ONE), ("2", ONE)])
        journal.failed([("2", "TOO_LARGE", "it is too large")])
        journal.done([("1", STORED)])
        journal.proved([("1", "ok")])
    with Journal(tmp_path / "j", HEADER) as journal:
        assert not journal.is_new
        record = journal.record("1")
        assert record is not None
        assert (record.state, record.stored, record.proof) == (DONE, STORED, "ok")
        failed = journal.record("2")
        assert failed is not None
        assert (failed.state, failed.code, failed.stored) == (FAILED, "TOO_LARGE", None)
        assert journal.counts() == {DONE: 1, FAILED: 1}
        journal.cleared(["1"])
        assert [one.id for one in journal.records(CLEARED)] == ["1"]


def test_beginning_again_keeps_the_first_moment_and_what_is_done(tmp_path: Path) -> None:
    with Journal(tmp_path / "j", HEADER) as journal:
        journal.begin([("1", ONE), ("2", ONE)])
        first = journal.state_of("2")
        journal.done([("1", STORED)])
        journal.begin([("1", ONE), ("2", ONE)])
        assert journal.state_of("2") == first
        found = journal.state_of("1")
        assert found is not None
        assert found[0] == DONE


def test_another_plan_has_another_journal(tmp_path: Path) -> None:
    Journal(tmp_path / "j", HEADER).close()
    with pytest.raises(PlanProblem, match="of another plan"):
        Journal(tmp_path / "j", Header("plan-2", HEADER.made_at))
    Journal(tmp_path / "j", HEADER).close()


def test_other_files_are_no_journals(tmp_path: Path) -> None:
    (tmp_path / "j").write_text("hello " * 500)
    with pytest.raises(PlanProblem, match="not the journal"):
        Journal(tmp_path / "j", HEADER)


def test_a_journal_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(PlanProblem, match="can't be written"):
        Journal(tmp_path / "missing" / "j", HEADER)


HOLDER = """
import sys, time
from pathlib import Path
from strongroom.migrate.entries import Entry
from strongroom.migrate.journal import Journal
from strongroom.migrate.plans import Header
journal = Journal(Path(sys.argv[1]), Header("plan-1", ""))
journal.begin([("1", Entry("a", "alice", "uploads"))])
print("begun", flush=True)
sys.stdin.read()
"""


def test_one_process_at_a_time_and_a_killed_one_leaves_what_it_has_committed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "j")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin
    assert holder.stdout
    try:
        assert holder.stdout.readline() == b"begun\n"
        with pytest.raises(PlanProblem, match="another process works"):
            Journal(tmp_path / "j", HEADER)
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.communicate()
    with Journal(tmp_path / "j", HEADER) as journal:
        assert [(one.id, one.state) for one in journal.records()] == [("1", BEGUN)]
