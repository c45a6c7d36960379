"""A real clamd for tests, from Debian (`clamav-daemon`), on a unix socket, with signatures of our own."""

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
#: The test file of the EICAR, in two pieces: whole, it would have this very file removed by some scanners.
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
    """A started one. ``address``: as STRONGROOM_CLAMD_ADDRESS names it."""

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
        """Add a signature: any file that holds ``content``. For a running one, ``reload`` afterwards."""
        (self._signatures / f"{name}.ndb").write_text(f"{name}:0:*:{content.hex()}\n")

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError):
                if self._ask(b"zPING\0") == b"PONG\0":
                    return
            assert self._process.poll() is None, "clamd ended"
            assert time.monotonic() < deadline, "clamd does not start"
            time.sleep(0.02)

    def reload(self) -> None:
        """Until it knows what it was taught."""
        assert self._ask(b"zRELOAD\0") == b"RELOADING\0"
        self.wait()

    def kill(self) -> None:
        """At once."""
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
    """A started one, killed at the end."""
    clamd = Clamd(folder)
    try:
        clamd.wait()
        yield clamd
    finally:
        clamd.kill()
