"""The data directory: its layout, its lock, its secrets."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from devstack.errors import AlreadyRunningError, DevstackError
from devstack.stackfile import write_private_json

MIB = 1024 * 1024
_LOG_LIMIT = 16 * MIB
#: A new Postgres cluster takes most of it.
LEAST_FREE_BYTES = 128 * MIB


class DataDir:
    """Paths below STRONGROOM_DATA_DIR. It has mode 0711, so that an unprivileged Postgres can pass
    through.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.stack = self.root / "stack.json"
        self.infra = self.root / "infra.json"
        self.children = self.root / "children.json"
        self.ports = self.root / "ports.json"
        self.lock = self.root / "lock"
        self.logs = self.root / "log"
        self.postgres = self.root / "postgres"
        self.swift = self.root / "swift"

    def create(self) -> None:
        """Create the folders. Raises DevstackError if the place is not writable."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o711)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise DevstackError(
                f"the data directory {self.root} cannot be used ({error.strerror}): set STRONGROOM_DATA_DIR "
                "to a folder that you may write to"
            ) from error
        free = shutil.disk_usage(self.root).free
        if free < LEAST_FREE_BYTES:
            raise DevstackError(
                f"only {free // MIB} MiB are free at {self.root}, and Postgres and S3 need"
                f" {LEAST_FREE_BYTES // MIB} to begin: free some, or set STRONGROOM_DATA_DIR to a folder on"
                " another disk"
            )

    def log(self, name: str) -> Path:
        """The log file of a process; one past 16 MiB is moved aside to `NAME.log.1`."""
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > _LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        return path

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory's lock; the kernel releases it when the process ends. Raises
        AlreadyRunningError.
        """
        descriptor = os.open(self.lock, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(descriptor, 32).decode() or "unknown"
                raise AlreadyRunningError(
                    f"a stack is already running on {self.root} (pid {holder}): "
                    f"use that one, stop it with `python -m devstack down`, or set STRONGROOM_DATA_DIR"
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def supervisor_pid(self) -> int | None:
        """The pid of the supervisor that holds the lock, or None."""
        if not self.lock.exists():
            return None
        with self.lock.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
        return None


class Secrets:
    """Random secrets by name, created on first use and kept in {data dir}/secrets.json (0600)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, name: str) -> str:
        """The secret of this name: 43 URL-safe characters."""
        if name not in self._kept:
            self._kept[name] = secrets.token_urlsafe(32)
            write_private_json(self._path, self._kept)
        return self._kept[name]

    def has(self, name: str) -> bool:
        """Whether the secret exists already."""
        return name in self._kept
