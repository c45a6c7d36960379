"""A separate clamd (Debian's `clamav-daemon`) with one signature.

The benchmarks measure the services' cost of scanning, not clamd's cost of many signatures.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_START_SECONDS: Final = 120.0
_SIGNATURE: Final = f"Strongroom.Bench:0:*:{b'nothing that a benchmark sends holds this'.hex()}\n"
_CONFIG: Final = """
LocalSocket {folder}/clamd.sock
DatabaseDirectory {folder}/signatures
LogFile {folder}/clamd.log
Foreground yes
Bytecode no
MaxThreads 4
StreamMaxLength 64M
MaxFileSize 64M
MaxScanSize 256M
"""


@dataclass(frozen=True)
class Scanner:
    """`address`: the value for STRONGROOM_CLAMD_ADDRESS."""

    pid: int
    address: str


MISSING: Final = "the case scanning needs clamd: apt-get install clamav-daemon"


def clamd() -> str | None:
    """The path of the program; None: it is not installed."""
    return shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin")


@contextmanager
def running(folder: Path) -> Iterator[Scanner]:
    """A started clamd with its files in `folder`, which is created; stopped at the end."""
    program = clamd()
    if program is None:
        raise RuntimeError(MISSING)
    (folder / "signatures").mkdir(parents=True)
    (folder / "signatures" / "bench.ndb").write_text(_SIGNATURE)
    config, socket = folder / "clamd.conf", folder / "clamd.sock"
    config.write_text(_CONFIG.format(folder=folder))
    command = [program, "--config-file", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not socket.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"clamd does not start: see {folder}/clamd.log")
                time.sleep(0.05)
            yield Scanner(process.pid, f"unix:{socket}")
        finally:
            process.kill()
