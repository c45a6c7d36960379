"""A real clamd for tests, from Debian (`clamav-daemon`), on a Unix socket, with test signatures."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PATIENCE: Final = 120.0
#: The EICAR test file, in two pieces: some scanners would remove this file if it contained the whole.
EICAR: Final = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}" + rb"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
FOUND: Final = "Strongroom.Eicar.UNOFFICIAL"
LATER: Final = b"known to be bad from tomorrow on"
STREAM_MAX_BYTES: Final = 12 << 20
_CONFIG: Final = """
LocalSocket {socket}
DatabaseDirectory {signatures}
LogFile {folder}/clamd.log
Foreground yes
ConcurrentDatabaseReload no
Bytecode no
MaxThreads 4
StreamMaxLength {most}
MaxFileSize {most}
MaxScanSize {scanned}
"""


class Clamd:
    """A started clamd. ``address``: the value for STRONGROOM_CLAMD_ADDRESS."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin")
        if program is None:
            raise RuntimeError("these tests need Debian's clamav-daemon: apt-get install clamav-daemon")
        self._socket = folder / "clamd.sock"
        self._signatures = folder / "signatures"
        self._signatures.mkdir(parents=True)
        self.knows("Strongroom.Eicar", EICAR)
        config = folder / "clamd.conf"
        values = {"socket": self._socket, "signatures": self._signatures, "folder": folder}
        config.write_text(_CONFIG.format(most=STREAM_MAX_BYTES, scanned=4 * STREAM_MAX_BYTES, **values))
        self._process = subprocess.Popen(
            [program, "--config-file", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.address = f"unix:{self._socket}"

    def knows(self, name: str, content: bytes) -> None:
        """Add a signature for any file that contains ``content``. A running clamd then needs ``reload``."""
        (self._signatures / f"{name}.ndb").write_text(f"{name}:0:*:{content.hex()}\n")

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError):
                if self._ask(b"zPING\0") == b"PONG\0":
                    return
            assert self._process.poll() is None, "clamd ended"
            assert time.monotonic() < deadline, "clamd does not start"
            time.sleep(0.02)

    def reload(self) -> None:
        """Reload, and wait until the new signatures are loaded."""
        assert self._ask(b"zRELOAD\0") == b"RELOADING\0"
        self.wait()

    def kill(self) -> None:
        """Kill it at once."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def _ask(self, command: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(PATIENCE)
            asking.connect(str(self._socket))
            asking.sendall(command)
            return asking.recv(4096)


@contextlib.contextmanager
def running_clamd(folder: Path) -> Iterator[Clamd]:
    """A started clamd, killed at the end."""
    clamd = Clamd(folder)
    try:
        clamd.wait()
        yield clamd
    finally:
        clamd.kill()
