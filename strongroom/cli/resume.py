"""State of ``strongroom put --resume``, with which another process continues after a kill.

``$XDG_STATE_HOME/strongroom/uploads.json`` (default ``~/.local/state``): one entry per file, target and
server.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strongroom import errors
from strongroom.cli import shown
from strongroom.cli.problems import UsageProblem
from strongroom.cli.session import Session
from strongroom.client.async_client import AsyncClient
from strongroom.client.files import StoredFile
from strongroom.client.resumable import SESSION_GONE
from strongroom.client.seekable import SourceChanged
from strongroom.client.targets import Target
from strongroom.client.uploads import Progress

try:
    import fcntl as locks
except ImportError:  # Windows: the last of two writers at once wins
    HAS_LOCKS = False
else:
    HAS_LOCKS = True


@dataclass(frozen=True, slots=True)
class Entry:
    """One upload in progress. ``size`` in bytes and ``mtime`` in nanoseconds are the file's at its
    beginning.
    """

    upload_id: str
    path: str
    size: int
    mtime: int
    target: str


def state_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the entries (XDG Base Directory Specification: relative paths are ignored)."""
    given = Path(environ.get("XDG_STATE_HOME") or "")
    base = given if given.is_absolute() else Path.home() / ".local" / "state"
    return base / "strongroom" / "uploads.json"


class Book:
    """The entries by key. Other processes may write them, too."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, key: str) -> Entry | None:
        """Return the entry, or None.

        :raises UsageProblem: the file has another form. :raises OSError: it can't be read.
        """
        found = self._read().get(key)
        return None if found is None else self._entry(found)

    def keep(self, key: str, entry: Entry) -> None:
        """Add or replace an entry."""
        with self._changing() as entries:
            entries[key] = dataclasses.asdict(entry)

    def drop(self, key: str, upload_id: str) -> None:
        """Remove an entry, unless it belongs to another upload by now."""
        with self._changing() as entries:
            if key in entries and self._entry(entries[key]).upload_id == upload_id:
                del entries[key]

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise self._foreign() from error
        if not isinstance(found, dict):
            raise self._foreign()
        return found

    def _entry(self, found: Any) -> Entry:
        try:
            return Entry(**found)
        except TypeError as error:
            raise self._foreign() from error

    def _foreign(self) -> UsageProblem:
        return UsageProblem(f"{self._path} is damaged; remove it (uploads under way will start over)")

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """Yield the entries and write them back atomically, under a lock; only their owner can read
        the file.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if HAS_LOCKS:
                locks.flock(lock, locks.LOCK_EX)
            entries = self._read()
            yield entries
            self._write(entries)
        finally:
            os.close(lock)

    def _write(self, entries: dict[str, Any]) -> None:
        part = self._path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(entries, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        finally:
            part.unlink(missing_ok=True)


class ResumingPut:
    """``put --resume`` of one file. ``details``: further parameters of ``upload_resumable``."""

    def __init__(
        self, session: Session, client: AsyncClient, path: Path, target: Target, details: Mapping[str, Any]
    ) -> None:
        self._client = client
        self._output = session.output
        self._path = path.resolve()
        self._target = target
        self._details = dict(details)
        self._book = Book(state_path())
        whose = [client.settings.storage_address, session.for_user, session.options.as_user]
        self._key = json.dumps([*whose, str(self._path), repr(target), repr(self._details)])

    async def run(self, on_progress: Progress) -> StoredFile:
        """Continue an upload that another process left, or begin one, also if the service no longer has it.

        :raises UsageProblem: it is not a regular file.
        """
        if not self._path.is_file():
            raise UsageProblem("--resume is for regular files; leave it out for pipes and devices")
        entry = self._usable()
        if entry is not None:
            try:
                return await self._upload(entry.upload_id, on_progress)
            except SESSION_GONE as error:
                self._book.drop(self._key, entry.upload_id)
                self._note(f"starts over: {error.message}")
        return await self._upload(None, on_progress)

    def _usable(self) -> Entry | None:
        """Return the entry if the file is unchanged; otherwise its session is left to expire."""
        entry = self._book.find(self._key)
        if entry is None or (entry.size, entry.mtime) == self._stamp():
            return entry
        self._note("starts over: the file was changed")
        self._book.drop(self._key, entry.upload_id)
        return None

    async def _upload(self, upload_id: str | None, on_progress: Progress) -> StoredFile:
        current = upload_id or ""
        size, mtime = self._stamp()

        def began(upload_id: str) -> None:
            nonlocal current
            current = upload_id
            entry = Entry(upload_id, str(self._path), size, mtime, repr(self._target))
            self._book.keep(self._key, entry)

        report = on_progress if upload_id is None else self._telling(on_progress)
        try:
            file = await self._client.upload_resumable(
                self._path,
                self._target,
                **self._details,
                upload_id=upload_id,
                on_progress=report,
                on_session=began,
            )
        except (SourceChanged, errors.ChecksumMismatch):
            # Continuing would fail again. It is not cancelled, because that would delete the file of a
            # finished one.
            self._book.drop(self._key, current)
            raise
        self._book.drop(self._key, current)
        return file

    def _telling(self, on_progress: Progress) -> Progress:
        """Note once where the upload continues."""
        told = False

        def report(done: int, total: int | None) -> None:
            nonlocal told
            if not told:
                told = True
                self._note(f"continues at {shown.size(done)} of {shown.size(total or 0)}")
            on_progress(done, total)

        return report

    def _stamp(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_size, found.st_mtime_ns

    def _note(self, text: str) -> None:
        self._output.note(f"{self._path.name}: {text}")
