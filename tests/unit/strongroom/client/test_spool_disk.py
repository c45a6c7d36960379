"""A spool on a full disk, or whose writer dies in the middle of a file."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from strongroom.cli.problems import ExitCode, explain
from strongroom.client.spooling import disk as module
from strongroom.client.spooling.disk import (
    ATTEMPT,
    OPERATION,
    Entry,
    SpoolDisk,
    SpoolFull,
    write_durably,
)


@pytest.fixture
def disk(tmp_path: Path) -> SpoolDisk:
    return SpoolDisk(tmp_path, "alice", 1 << 20)


def kept(disk: SpoolDisk, name: str, body: bytes = b"body") -> Entry:
    with disk.making(name) as draft:
        file = draft.create("body")
        draft.write(file, body)
        draft.finish(file)
        return draft.commit({"kind": "upload", "name": name})


def failing(calls: Iterator[bool], number: int = errno.ENOSPC) -> Any:
    """``os.fsync``, which fails where ``calls`` says so."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if next(calls, False):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    return fsync


class Short(FileIO):
    """Takes at most three bytes at a time, as a disk that is almost full does."""

    def write(self, data: Any, /) -> int:
        return super().write(bytes(data)[:3])


class NoRoom(FileIO):
    """Creates files, but has no space for their content."""

    def write(self, data: Any, /) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_takes_a_part_is_asked_again(
    disk: SpoolDisk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "FileIO", Short)
    assert kept(disk, "a").document == {"kind": "upload", "name": "a"}
    write_durably(tmp_path / "text", b"0123456789")
    assert (tmp_path / "text").read_bytes() == b"0123456789"


@pytest.mark.parametrize("nth", range(4))
def test_what_could_not_be_kept_leaves_nothing(
    disk: SpoolDisk, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """The disk may be full at each step: the body, the operation, its folder, the folder of waiting
    operations.
    """
    first = kept(disk, "first")
    monkeypatch.setattr(os, "fsync", failing(iter([*[False] * nth, True])))
    with pytest.raises(SpoolFull, match="No space") as told:
        kept(disk, "second")
    assert told.value.filename == str(disk.folder)
    monkeypatch.undo()
    assert [entry.id for entry in disk.entries()] == ["first"]
    assert list((disk.folder / "making").iterdir()) == []
    assert kept(disk, "third").number == first.number + 1
    assert [entry.id for entry in SpoolDisk(disk.folder.parent, "alice", 1 << 20).entries()] == [
        "first",
        "third",
    ]


@pytest.mark.parametrize("left", [b"", b'{"since": ', b"[]", b'{"since": null}', b"{}"])
def test_an_attempt_that_was_cut_is_one_of_that_moment(disk: SpoolDisk, left: bytes) -> None:
    entry = kept(disk, "a")
    (entry.folder / ATTEMPT).write_bytes(left)
    assert disk.attempt_of(entry) == (entry.folder / ATTEMPT).stat().st_mtime
    disk.note_attempt(entry, None)
    assert disk.attempt_of(entry) is None


def test_a_death_on_the_way_back_loses_nothing(disk: SpoolDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused operation that is put back into the queue is always in exactly one folder: that of dead
    operations, or that of waiting ones.
    """
    disk.refused(kept(disk, "a"), {"reason": 1, "code": "X", "message": "no"})
    (dead,) = disk.entries(dead=True)
    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        disk.requeue(dead)
    monkeypatch.undo()
    again = SpoolDisk(disk.folder.parent, "alice", 1 << 20)
    assert ([one.id for one in again.entries(dead=True)], again.entries()) == (["a"], [])
    again.requeue(dead)
    (waiting,) = again.entries()
    assert (again.entries(dead=True), waiting.reason) == ([], {})
    assert (waiting.folder / "body").read_bytes() == b"body"


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_was_tried_long_ago_is_sent_when_its_caller_says_so(disk: SpoolDisk) -> None:
    """Its document records a try from before it was spooled, whose outcome is unknown."""
    with disk.making("a") as draft:
        entry = draft.commit({"kind": "upload", "attempted": 7.0})
    assert disk.attempt_of(entry) == 7.0
    disk.refused(entry, {"reason": 0, "code": "OUTCOME_UNKNOWN", "message": "over 23 hours ago"})
    disk.requeue(*disk.entries(dead=True))
    (entry,) = disk.entries()
    assert disk.attempt_of(entry) is None
    disk.note_attempt(entry, 9.0)
    assert disk.attempt_of(entry) == 9.0
    disk.note_attempt(entry, None)
    assert disk.attempt_of(entry) is None


def test_a_full_disk_still_lets_go_what_makes_room(disk: SpoolDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = kept(disk, "a")
    monkeypatch.setattr(module, "FileIO", NoRoom)
    disk.note_attempt(entry, 7.0)
    noted = disk.attempt_of(entry)
    assert noted is not None
    assert abs(noted - time.time()) < 3600
    disk.note_attempt(entry, 9.0)
    assert disk.attempt_of(entry) == noted
    disk.note_attempt(entry, None)
    assert sorted(path.name for path in entry.folder.iterdir()) == ["body", "lock", OPERATION]


def test_a_note_that_can_t_be_written_for_another_reason(
    disk: SpoolDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = kept(disk, "a")
    monkeypatch.setattr(os, "fsync", failing(iter([True]), errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        disk.note_attempt(entry, 7.0)
    assert disk.attempt_of(entry) is None
    assert sorted(path.name for path in entry.folder.iterdir()) == ["body", "lock", OPERATION]


def test_the_spool_s_own_limit_is_told_as_a_full_disk_is(tmp_path: Path) -> None:
    small = SpoolDisk(tmp_path, "alice", 100)
    with pytest.raises(SpoolFull, match="100 bytes"):
        kept(small, "a", bytes(200))
    problem = explain(SpoolFull(errno.ENOSPC, "No space left", "/spool"))
    assert (problem.code, problem.exit_code) == ("SPOOL_FULL", ExitCode.LOCAL_FILE)
    assert "STRONGROOM_SPOOL" in problem.hint


def test_on_a_full_disk_what_was_sent_makes_room(disk: SpoolDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = kept(disk, "a")
    monkeypatch.setattr(os, "fsync", failing(iter([True])))
    disk.done(entry, {"message": "File"})
    assert (disk.entries(), disk.outcome_of("a")) == ([], {"message": "File"})


def test_an_outcome_that_can_t_be_written_for_another_reason(
    disk: SpoolDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operation still waits. When it is sent once more, the service repeats its outcome."""
    entry = kept(disk, "a")
    monkeypatch.setattr(os, "fsync", failing(iter([True]), errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        disk.done(entry, {"message": "File"})
    assert [one.id for one in disk.entries()] == ["a"]
    assert disk.outcome_of("a") is None
