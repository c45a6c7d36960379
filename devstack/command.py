"""A supervised process: its command line, environment and account, how to stop it, how to know that it is
ready.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from devstack.errors import DevstackError

_SHIM = str(Path(__file__).with_name("child.py"))


@dataclass(frozen=True)
class UnixUser:
    """The account under which a command runs if the supervisor is root."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Command:
    """A process to run. `first_env` is added to `env` only for its first start (failpoints: see
    docs/devstack.md).
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    first_env: Mapping[str, str] = field(default_factory=dict)
    user: UnixUser | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    stop_seconds: float = 30.0


class Probe(Protocol):
    """Tells whether a process serves. Returns quickly, and False instead of raising."""

    def __call__(self) -> bool: ...


class Explain(Protocol):
    """Says briefly why a running process is not ready; may be empty."""

    def __call__(self) -> str: ...


def no_words() -> str:
    """The Explain of a process about which nothing is known. Returns an empty text."""
    return ""


class Hook(Protocol):
    """Called at one moment of a process's life. Raises DevstackError if it fails."""

    def __call__(self) -> None: ...


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Service:
    """A command with its readiness probe.

    `where` is the address shown to people, `title` the first word of its line. `before_start` runs before
    each start. `explain` is called when the process is late. `port`: where it listens on loopback (0:
    unknown); `port_setting`: the variable that chooses it.
    """

    command: Command
    probe: Probe
    where: str
    before_start: Hook = nothing
    explain: Explain = no_words
    title: str = ""
    port: int = 0
    port_setting: str = ""
    ready_seconds: float = 120.0

    @property
    def name(self) -> str:
        """Unique name of the process within the stack."""
        return self.command.name


def shim_argv(command: Command) -> list[str]:
    """The command line that starts `command` through child.py."""
    uid, gid = (command.user.uid, command.user.gid) if command.user else (-1, -1)
    head = [str(os.getpid()), str(int(command.orphan_signal)), str(uid), str(gid), str(command.cwd)]
    return [sys.executable, "-I", "-S", _SHIM, *head, *command.argv]


def spawn(command: Command, *, first: bool = True) -> subprocess.Popen[bytes]:
    """Start the command in a session of its own, so that Ctrl-C reaches only the supervisor. Its output is
    appended to its log.
    """
    env = {**command.env, **(command.first_env if first else {})}
    with command.log.open("ab") as log:
        return subprocess.Popen(
            shim_argv(command),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def log_tail(path: Path, lines: int = 12, limit: int = 16384) -> str:
    """The last lines of a log file, indented, for an error message; at most `limit` bytes are read."""
    if not path.exists():
        return "    (no output)"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - limit))
        text = file.read().decode("utf-8", "replace")
    kept = [line for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(f"    {line}" for line in kept) or "    (no output)"


_UNPRIVILEGED = "nobody"


def user_name() -> str:
    """The name of the effective user, which Postgres and Swift look up. Raises DevstackError without one."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise DevstackError(
            f"the user id {os.geteuid()} has no name in /etc/passwd, which Postgres and Swift need: "
            "start the stack as a user who has one"
        ) from None


def unprivileged_user() -> UnixUser:
    """The account that Postgres runs as when root starts the stack. Raises DevstackError without one."""
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise DevstackError(
            f"Postgres refuses to run as root and there is no user `{_UNPRIVILEGED}` to run it as: "
            "start the stack as an ordinary user"
        ) from None
    return UnixUser(entry.pw_uid, entry.pw_gid)
