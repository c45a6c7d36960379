"""Compiles the C sink once into a cache folder, and runs it."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_SOURCES = Path(__file__).parent / "sink"


@dataclass(frozen=True)
class Sink:
    """A running sink. Every bucket exists, all credentials are accepted."""

    port: int
    pid: int

    @property
    def endpoint(self) -> str:
        """The value for AWS_S3_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.port}"

    def stats(self) -> dict[str, int]:
        """Requests and bytes so far; `objects` and open `uploads` now."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/_sink/stats")
        counters: dict[str, int] = json.loads(connection.getresponse().read())
        connection.close()
        return counters


def cache_folder() -> Path:
    """The folder of compiled sinks: below XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strongroom-benchmarks"


def binary(folder: Path | None = None) -> Path:
    """The sink compiled from the current sources. Raises RuntimeError without a working C compiler."""
    sources = sorted(_SOURCES.glob("*.[ch]"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    target = (folder or cache_folder()) / f"sink-{digest}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_suffix(f".{os.getpid()}")
    command = ["cc", "-O2", "-std=gnu11", "-o", str(scratch), *(str(s) for s in sources if s.suffix == ".c")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise RuntimeError("the sink needs a C compiler: install gcc or clang (no `cc` on PATH)") from None
    if done.returncode:
        raise RuntimeError(f"the sink does not compile:\n{done.stderr}")
    scratch.replace(target)
    return target


@contextmanager
def running(port: int = 0, folder: Path | None = None) -> Iterator[Sink]:
    """Run a sink on `port` (0: any free one) inside the block. Its binary is in `folder` or the cache."""
    with subprocess.Popen([binary(folder), str(port)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the sink could not listen on port {port}")
        try:
            yield Sink(port=int(line), pid=process.pid)
        finally:
            process.kill()
