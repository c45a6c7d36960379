"""A ``strongroom`` command whose processes are forked from one that has imported everything.

The pages of docs/ start some seventy processes, which mostly spend their time on imports. A fork has a pid,
environment, working folder and standard streams like its caller's; from ``main`` on it does what the
installed program does. The tour of README.md uses the installed one.

``python -m tests.e2e.warm_cli SOCKET`` is the parent; it ends with its standard input.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

from strongroom import cli
from tests.forks.server import import_all
from tests.stack import CHECKOUT, until

#: Stands in for the program: passes on its caller's streams, arguments, folder, environment, SIGINT and
#: SIGTERM, and exits like the process.
_LAUNCHER: Final = """#!{python} -SE
import json, os, signal, socket, sys
place = {{"argv": sys.argv[1:], "folder": os.getcwd(), "environ": dict(os.environ)}}
told = socket.socket(socket.AF_UNIX)
told.connect({path!r})
socket.send_fds(told, [json.dumps(place).encode() + b"\\n"], [0, 1, 2])
answers = told.makefile()
pid = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: os.kill(pid, number))
sys.exit(int(answers.readline()))
"""


@contextmanager
def warm_cli(folder: Path) -> Iterator[Path]:
    """A folder for PATH with the program ``strongroom``."""
    path, programs = folder / "warm", folder / "bin"
    programs.mkdir(parents=True)
    launcher = programs / "strongroom"
    launcher.write_text(_LAUNCHER.format(python=sys.executable, path=str(path)))
    launcher.chmod(0o755)
    command = [sys.executable, "-m", "tests.e2e.warm_cli", str(path)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE) as parent:
        until("the parent of the commands listens", lambda: path.exists() or parent.poll() is not None)
        yield programs


def _serve(path: Path) -> None:
    import_all("strongroom")
    assert threading.active_count() == 1, f"importing the client starts threads: {threading.enumerate()}"
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{path}.new")
    server.listen()
    Path(f"{path}.new").rename(path)
    while True:
        ready, _, _ = select.select([0, server.fileno()], [], [])
        if 0 in ready:
            return
        connection, _ = server.accept()
        if os.fork() == 0:
            server.close()
            _attend(connection)
        connection.close()


def _attend(connection: socket.socket) -> NoReturn:
    """Fork the command, and send its pid and its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    line, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    while not line.endswith(b"\n"):
        line += connection.recv(1 << 20)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _become(json.loads(line), streams)
    for stream in streams:
        os.close(stream)
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    with contextlib.suppress(BrokenPipeError):  # the caller was killed
        connection.sendall(f"{code if code >= 0 else 128 - code}\n".encode())
    os._exit(0)


def _become(place: dict[str, Any], streams: list[int]) -> NoReturn:
    code = 1
    try:
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
        os.closerange(3, 64)
        os.chdir(place["folder"])
        os.environ.clear()
        os.environ.update(place["environ"])
        sys.argv = ["strongroom", *place["argv"]]
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
