"""A spool on disk: operations of one user in the order in which they were put there. Everything here blocks.

    {root}/{user}/making/{id}/      being written; never sent, removed by the next one who opens the spool
    {root}/{user}/waiting/{n}-{id}/ whole and durable: operation.json, and the bytes it brings
    {root}/{user}/dead/{n}-{id}/    refused by the service: with reason.json
    {root}/{user}/sent/{id}.json    what became of an operation, for those who have its id

A folder gets from one state to the next by one rename, and what a state promises is on the disk before it: a
process that dies at any moment leaves each operation in exactly one of them. ``sent`` is written before the
folder goes, so an operation may be in both for a moment: then it is sent, and only its folder is left over.
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
#: Of attempt.json: whatever was tried before, nothing came of it, or its caller takes that upon himself.
_ANEW: Final = {"anew": True}
LOCK: Final = "lock"
#: What became of an operation is known for so long.
SENT_SECONDS: Final = 7 * 24 * 3600.0
BLOCK_BYTES: Final = 1 << 20


_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class SpoolFull(OSError):
    """The disk of the spool, or its own limit, has no room for an operation: nothing of it was kept, and what
    was kept before is whole.
    """


@contextmanager
def _told_full(folder: Path) -> Iterator[None]:
    """Raises SpoolFull where the disk has no room."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM or isinstance(error, SpoolFull):
            raise
        told = f"{os.strerror(error.errno)}: nothing of this was kept; what was kept before is whole"
        raise SpoolFull(error.errno, told, str(folder)) from error


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation on disk. ``document``: its operation.json; ``reason``: why it is dead, else empty."""

    number: int
    id: str
    folder: Path
    document: Mapping[str, Any]
    size: int
    reason: Mapping[str, Any]

    @property
    def is_dead(self) -> bool:
        """Whether the service has refused it."""
        return bool(self.reason)


class SpoolDisk:
    """The spool of one user. Any number of processes may share it."""

    def __init__(self, root: Path, user: str, max_bytes: int) -> None:
        """:raises OSError: the folder can't be made, or the system has no locks for it."""
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
        """Those that wait, in the order in which they are sent; or the dead ones."""
        found, known = [], self._parsed[dead]
        for folder in self._folders("dead" if dead else "waiting"):
            entry = known.get(folder) or _read(folder)
            if entry is not None:
                found.append(entry)
        self._parsed[dead] = {entry.folder: entry for entry in found}
        return found

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._folders("waiting")

    @contextmanager
    def making(self, id: str) -> Iterator[Draft]:  # noqa: A002 - the word for it
        """A new operation: write its bytes, then ``commit``. Without that nothing is left of it. Raises
        SpoolFull.
        """
        folder = self.folder / "making" / id
        with _told_full(self.folder):
            with self._locked("order.lock"):  # so that nobody sweeps it up before it is locked
                folder.mkdir(mode=0o700)
                lock = _lock(folder / LOCK, wait=True)
            try:
                yield Draft(self, id, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                if lock is not None:
                    lock.close()

    def commit(self, draft: Draft, document: Mapping[str, Any]) -> Entry:
        """The draft becomes the last one that waits, durably. Raises OSError, SpoolFull."""
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
                folder.rename(draft.folder)  # its caller is told that nothing was kept
                raise
        entry = _read(folder)
        if entry is None:
            raise OSError(errno.EIO, "what was written to the spool can't be read back", str(folder))
        return entry

    def check_room(self, more: int) -> None:
        """Raises SpoolFull: ``more`` bytes beside all that is here are more than may be."""
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
        """Whether this process may send, which only one does at a time."""
        lock = _lock(self.folder / "sending.lock", wait=False)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                lock.close()

    def note_attempt(self, entry: Entry, since: float | None) -> None:
        """``since``: when an attempt began whose outcome is not known; None: nothing came of it."""
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
        """Also the one before it was put here, which its document tells of."""
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
        """An empty file takes no room but its name's, and says when it was made: else a full disk would keep
        from being sent what makes room.
        """
        with _told_full(self.folder):
            (entry.folder / ATTEMPT).touch(mode=0o600)
            _sync_folder(entry.folder)

    def attempt_of(self, entry: Entry) -> float | None:
        """When the first attempt began of which nobody knows how it ended."""
        try:
            noted = json.loads((entry.folder / ATTEMPT).read_bytes())
            return None if noted == _ANEW else float(noted["since"])
        except FileNotFoundError:
            attempted: float | None = entry.document.get("attempted")
            return attempted
        except (ValueError, KeyError, TypeError):  # of a process that died while it wrote
            return (entry.folder / ATTEMPT).stat().st_mtime

    def done(self, entry: Entry, outcome: Mapping[str, Any]) -> None:
        """The service has it: ``outcome`` is kept for a while."""
        path = self.folder / "sent" / f"{entry.id}.json"
        text = json.dumps(outcome).encode()
        try:
            write_durably(path, text)
            _sync_folder(path.parent)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            self.remove(entry)  # the service has it; its bytes make room for a word about it
            write_durably(path, text)
            return
        self.remove(entry)

    def refused(self, entry: Entry, reason: Mapping[str, Any]) -> None:
        """The service won't have it, ever."""
        write_durably(entry.folder / REASON, json.dumps(reason).encode())
        self._move(entry, "dead", entry.folder.name)

    def requeue(self, entry: Entry) -> None:
        """A dead one waits again, behind all others. It keeps its reason until it does: without one it would
        be neither dead nor waiting for who looks after a death in between.
        """
        self._forget_attempts(entry)
        with self._locked("order.lock"):
            number = max((_number(folder) for folder in self._folders("waiting")), default=0) + 1
            name = f"{number:012d}-{entry.id}"
            self._move(entry, "waiting", name)
            (self.folder / "waiting" / name / REASON).unlink(missing_ok=True)

    def remove(self, entry: Entry) -> None:
        """It is gone, whole."""
        gone = self.folder / "making" / f"gone-{entry.folder.name}"
        try:
            entry.folder.rename(gone)
        except FileNotFoundError:
            return
        _sync_folder(entry.folder.parent)
        shutil.rmtree(gone, ignore_errors=True)

    def outcome_of(self, id: str) -> Mapping[str, Any] | None:  # noqa: A002
        """What became of a sent operation, as long as it is known."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "sent" / f"{id}.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return found

    def forget_old(self) -> None:
        """Outcomes that nobody will ask for any more."""
        for path in (self.folder / "sent").iterdir():
            try:
                if path.stat().st_mtime < time.time() - SENT_SECONDS:
                    path.unlink()
            except FileNotFoundError:
                continue  # another process has done it

    def _move(self, entry: Entry, state: str, name: str) -> None:
        entry.folder.rename(self.folder / state / name)
        _sync_folder(self.folder / state)
        _sync_folder(entry.folder.parent)

    def _folders(self, state: str) -> list[Path]:
        return sorted(path for path in (self.folder / state).iterdir() if _number(path))

    def _sweep(self) -> None:
        """What a process left that died while it wrote or removed."""
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
        """A file for bytes; whoever writes it calls ``finish``."""
        return (self.folder / name).open("wb", buffering=0)

    def write(self, file: IO[bytes], block: bytes) -> None:
        """Raises OSError: the disk or the spool is full."""
        self._room -= len(block)
        if self._room < 0:
            self._disk.check_room(0)
            self._room = BLOCK_BYTES
        _write_all(file, block)

    def finish(self, file: IO[bytes]) -> None:
        """It is on the disk."""
        with file:
            os.fsync(file.fileno())

    def commit(self, document: Mapping[str, Any]) -> Entry:
        """See ``SpoolDisk.commit``."""
        return self._disk.commit(self, document)


def write_durably(path: Path, data: bytes) -> None:
    """The whole content, on the disk; or what was there, whoever dies and however full the disk is."""
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
    """A disk that is almost full takes a part, and says so by the number alone."""
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
    """An open file that holds the lock until it is closed, or until its process ends."""
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
    """Its place in the order; 0: none of ours."""
    number, _, id_ = folder.name.partition("-")
    return int(number) if number.isascii() and number.isdigit() and id_ else 0


def _size(folder: Path) -> int:
    """Bytes of what is in it; what goes meanwhile counts for nothing."""
    total = 0
    try:
        with os.scandir(folder) as files:
            for file in files:
                total += file.stat(follow_symlinks=False).st_size
    except (FileNotFoundError, NotADirectoryError):
        return total
    return total


def _read(folder: Path) -> Entry | None:
    """None: it has gone meanwhile."""
    try:
        document = json.loads((folder / OPERATION).read_bytes())
        size = _size(folder)
        reason = json.loads((folder / REASON).read_bytes()) if folder.parent.name == "dead" else {}
    except FileNotFoundError:
        return None
    number, _, id_ = folder.name.partition("-")
    return Entry(int(number), id_, folder, document, size, reason)
