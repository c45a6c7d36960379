"""A spool on disk: operations of one user in the order in which they were added. All methods block.

    {root}/{user}/making/{id}/      being written; never sent; removed when the spool is next opened
    {root}/{user}/waiting/{n}-{id}/ complete and durable: operation.json, and its bytes
    {root}/{user}/dead/{n}-{id}/    refused by the service: with reason.json
    {root}/{user}/sent/{id}.json    the outcome of an operation, for callers that have its id

A folder changes its state by one rename, and its contents are on disk before that: a process that dies at any
moment leaves each operation in exactly one state. ``sent`` is written before the folder is removed, so for a
moment an operation may be in both: then it is sent, and only its folder remains to be removed.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, Any, Final

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

OPERATION: Final = "operation.json"
ATTEMPT: Final = "attempt.json"
REASON: Final = "reason.json"
#: Contents of attempt.json: earlier attempts had no effect, or the caller takes responsibility for them.
_ANEW: Final = {"anew": True}
LOCK: Final = "lock"
#: How long the outcome of an operation is kept.
SENT_SECONDS: Final = 7 * 24 * 3600.0
BLOCK_BYTES: Final = 1 << 20


_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class SpoolFull(OSError):
    """The spool's disk, or its own limit, has no room. Operations kept before are intact."""


@contextmanager
def _told_full(folder: Path) -> Iterator[None]:
    """Raises SpoolFull if the disk has no room."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM or isinstance(error, SpoolFull):
            raise
        told = f"{os.strerror(error.errno)}: this operation was not stored; those stored before are intact"
        raise SpoolFull(error.errno, told, str(folder)) from error


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation on disk. ``document``: its operation.json. ``reason``: why the service has refused
    it (it is dead then), else empty.
    """

    number: int
    id: str
    folder: Path
    document: Mapping[str, Any]
    size: int
    reason: Mapping[str, Any]


class SpoolDisk:
    """The spool of one user. Any number of processes may share it."""

    def __init__(self, root: Path, user: str, max_bytes: int) -> None:
        """Open or create the spool. Raises OSError if there is no folder or there are no suitable locks."""
        if fcntl is None:
            raise OSError(errno.ENOSYS, "a spool needs a system with POSIX file locks", str(root))
        self.folder = root / user
        self._max_bytes = max_bytes
        self._parsed: dict[bool, dict[Path, Entry]] = {False: {}, True: {}}
        with _told_full(self.folder):
            for name in ("making", "waiting", "dead", "sent"):
                (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    def entries(self, *, dead: bool = False) -> list[Entry]:
        """Return the waiting operations in the order of sending, or the dead ones."""
        found, known = [], self._parsed[dead]
        for folder in self._folders("dead" if dead else "waiting"):
            entry = known.get(folder) or _read(folder)
            if entry is not None:
                found.append(entry)
        self._parsed[dead] = {entry.folder: entry for entry in found}
        return found

    def is_empty(self) -> bool:
        """Whether no operation waits."""
        return not self._folders("waiting")

    @contextmanager
    def making(self, id: str) -> Iterator[Draft]:  # noqa: A002 - the word for it
        """Yield a new operation, which is removed unless it is committed. Raises SpoolFull."""
        folder = self.folder / "making" / id
        with _told_full(self.folder):
            with self._locked("order.lock"):  # so that no other process removes it before it is locked
                folder.mkdir(mode=0o700)
                lock = _lock(folder / LOCK, wait=True)
            try:
                yield Draft(self, id, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                if lock is not None:
                    lock.close()

    def commit(self, draft: Draft, document: Mapping[str, Any]) -> Entry:
        """Add the draft as the last waiting operation, durably. Raises OSError, SpoolFull."""
        write_durably(draft.folder / OPERATION, json.dumps(document).encode())
        _sync_folder(draft.folder)
        with self._locked("order.lock"):
            self.check_room(0)
            number = max((_number(folder) for folder in self._folders("waiting")), default=0) + 1
            folder = self.folder / "waiting" / f"{number:012d}-{draft.id}"
            draft.folder.rename(folder)
            try:
                _sync_folder(folder.parent)
            except OSError:
                folder.rename(draft.folder)  # the caller is told that nothing was kept
                raise
        entry = _read(folder)
        if entry is None:
            raise OSError(errno.EIO, "what was written to the spool can't be read back", str(folder))
        return entry

    def check_room(self, more: int) -> None:
        """Raises SpoolFull if ``more`` bytes in addition to the present ones exceed the limit."""
        used = sum(entry.size for entry in (*self.entries(), *self.entries(dead=True)))
        used += sum(map(_size, (self.folder / "making").iterdir()))
        if used + more > self._max_bytes:
            raise SpoolFull(
                errno.ENOSPC,
                f"the spool holds {used} of {self._max_bytes} bytes, and {more} more do not fit;"
                " `strongroom spool ls` shows what waits",
                str(self.folder),
            )

    @contextmanager
    def sending(self) -> Iterator[bool]:
        """Yield whether this process may send; only one may at a time."""
        lock = _lock(self.folder / "sending.lock", wait=False)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.close()

    def note_attempt(self, entry: Entry, since: float | None) -> None:
        """Record an attempt. ``since``: its begin, if its outcome is unknown; None: it had no effect."""
        if since is None:
            self._forget_attempts(entry)
        elif self.attempt_of(entry) is None:
            try:
                write_durably(entry.folder / ATTEMPT, json.dumps({"since": since}).encode())
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                self._note_by_name(entry)

    def _forget_attempts(self, entry: Entry) -> None:
        """Record that no attempt had an effect, including one named in the document."""
        place = entry.folder / ATTEMPT
        try:
            if entry.document.get("attempted") is not None:
                write_durably(place, json.dumps(_ANEW).encode())
                return
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
        place.unlink(missing_ok=True)

    def _note_by_name(self, entry: Entry) -> None:
        """Record an attempt by an empty file, which needs no space: sending makes room on a full disk."""
        with _told_full(self.folder):
            (entry.folder / ATTEMPT).touch(mode=0o600)
            _sync_folder(entry.folder)

    def attempt_of(self, entry: Entry) -> float | None:
        """Return the begin of the first attempt with an unknown outcome, or None."""
        try:
            noted = json.loads((entry.folder / ATTEMPT).read_bytes())
            return None if noted == _ANEW else float(noted["since"])
        except FileNotFoundError:
            attempted: float | None = entry.document.get("attempted")
            return attempted
        except (ValueError, KeyError, TypeError):  # the process died while writing it
            return (entry.folder / ATTEMPT).stat().st_mtime

    def done(self, entry: Entry, outcome: Mapping[str, Any]) -> None:
        """Record that the service has the operation, and keep ``outcome`` for a while."""
        path = self.folder / "sent" / f"{entry.id}.json"
        text = json.dumps(outcome).encode()
        try:
            write_durably(path, text)
            _sync_folder(path.parent)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self.remove(entry)  # the service has it; removing its bytes makes room for the outcome
            write_durably(path, text)
            return
        self.remove(entry)

    def refused(self, entry: Entry, reason: Mapping[str, Any]) -> None:
        """Record that the service has refused the operation for good."""
        write_durably(entry.folder / REASON, json.dumps(reason).encode())
        self._move(entry, "dead", entry.folder.name)

    def requeue(self, entry: Entry) -> None:
        """Make a dead operation the last waiting one. Its reason is kept until then, so it is always in one
        state.
        """
        self._forget_attempts(entry)
        with self._locked("order.lock"):
            number = max((_number(folder) for folder in self._folders("waiting")), default=0) + 1
            name = f"{number:012d}-{entry.id}"
            self._move(entry, "waiting", name)
            (self.folder / "waiting" / name / REASON).unlink(missing_ok=True)

    def remove(self, entry: Entry) -> None:
        """Remove an operation completely."""
        gone = self.folder / "making" / f"gone-{entry.folder.name}"
        try:
            entry.folder.rename(gone)
        except FileNotFoundError:
            return
        _sync_folder(entry.folder.parent)
        shutil.rmtree(gone, ignore_errors=True)

    def outcome_of(self, id: str) -> Mapping[str, Any] | None:  # noqa: A002
        """Return the outcome of a sent operation, or None if it is no longer kept."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "sent" / f"{id}.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return found

    def forget_old(self) -> None:
        """Remove outcomes older than ``SENT_SECONDS``."""
        for path in (self.folder / "sent").iterdir():
            try:
                if path.stat().st_mtime < time.time() - SENT_SECONDS:
                    path.unlink()
            except FileNotFoundError:
                continue  # removed by another process

    def _move(self, entry: Entry, state: str, name: str) -> None:
        entry.folder.rename(self.folder / state / name)
        _sync_folder(self.folder / state)
        _sync_folder(entry.folder.parent)

    def _folders(self, state: str) -> list[Path]:
        return sorted(path for path in (self.folder / state).iterdir() if _number(path))

    def _sweep(self) -> None:
        """Remove leftovers of processes that died while writing or removing."""
        with self._locked("order.lock"):
            for folder in (self.folder / "making").iterdir():
                is_gone = folder.name.startswith("gone-")
                lock = None if is_gone else _lock(folder / LOCK, wait=False)
                if is_gone or lock is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                if lock is not None:
                    lock.close()

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        lock = _lock(self.folder / name, wait=True)
        try:
            yield
        finally:
            if lock is not None:
                lock.close()


class Draft:
    """An operation that is being written."""

    def __init__(self, disk: SpoolDisk, id: str, folder: Path) -> None:  # noqa: A002
        self._disk = disk
        self.id = id
        self.folder = folder
        self._room = 0

    def create(self, name: str) -> IO[bytes]:
        """Create a file for bytes, to be closed by ``finish``."""
        return (self.folder / name).open("wb", buffering=0)

    def write(self, file: IO[bytes], block: bytes) -> None:
        """Write a block. Raises OSError if the disk or the spool is full."""
        self._room -= len(block)
        if self._room < 0:
            self._disk.check_room(0)
            self._room = BLOCK_BYTES
        _write_all(file, block)

    def finish(self, file: IO[bytes]) -> None:
        """Flush the file to disk and close it."""
        with file:
            os.fsync(file.fileno())

    def commit(self, document: Mapping[str, Any]) -> Entry:
        """See ``SpoolDisk.commit``."""
        return self._disk.commit(self, document)


def write_durably(path: Path, data: bytes) -> None:
    """Replace the file's content durably: after a crash or on a full disk it has the old or the new one."""
    making = path.with_name(f"{path.name}.tmp")
    try:
        with FileIO(making, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            _write_all(file, data)
            os.fsync(file.fileno())
        making.rename(path)
    except OSError:
        making.unlink(missing_ok=True)
        raise


def _write_all(file: FileIO | IO[bytes], data: bytes) -> None:
    """Write all bytes: on an almost full disk a single write may accept only a part."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(path: Path, *, wait: bool) -> IO[bytes] | None:
    """Return a file that holds the lock until it is closed or its process ends; None if the lock is taken."""
    try:
        file = path.open("wb")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        file.close()
        return None
    return file


def _number(folder: Path) -> int:
    """Return the folder's place in the order; 0 if it isn't an operation's."""
    number, _, id_ = folder.name.partition("-")
    return int(number) if number.isascii() and number.isdigit() and id_ else 0


def _size(folder: Path) -> int:
    """Return the bytes of the folder's files. Files removed meanwhile are not counted."""
    total = 0
    try:
        with os.scandir(folder) as files:
            for file in files:
                total += file.stat(follow_symlinks=False).st_size
    except (FileNotFoundError, NotADirectoryError):
        return total
    return total


def _read(folder: Path) -> Entry | None:
    """Return the entry, or None if it was removed meanwhile."""
    try:
        document = json.loads((folder / OPERATION).read_bytes())
        size = _size(folder)
        reason = json.loads((folder / REASON).read_bytes()) if folder.parent.name == "dead" else {}
    except FileNotFoundError:
        return None
    number, _, id_ = folder.name.partition("-")
    return Entry(int(number), id_, folder, document, size, reason)
