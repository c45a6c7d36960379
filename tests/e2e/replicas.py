"""A second process with all services beside a running stack: same database, store and secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from tests.forks.stacks import ENVIRON
from tests.ports import free_port
from tests.stack import CHECKOUT, RunningStack, Service, until

#: Shifts only the time by which links are judged; signatures, leases and tokens use the real one.
_SERVE: Final = """
import sys, time, types
from storage_service.reading import links
shift = float(sys.argv[1])
links.time = types.SimpleNamespace(time=lambda: time.time() + shift)
from strongroom_server.command import main
sys.exit(main(["serve", "--target", "all"]))
"""
_SERVICES: Final[tuple[Service, ...]] = ("metadata", "storage", "gateway")


@contextmanager
def replica(
    stack: RunningStack, folder: Path, env: Mapping[str, str], *, links_ahead: float = 0.0
) -> Iterator[str]:
    """Run a second instance of all services on the stack's database and store; yields its gateway's URL.

    ``env``: settings that differ; ``links_ahead``: seconds by which links seem older.
    """
    environ = dict(os.environ)
    for service in _SERVICES:
        environ |= _environ_of(stack, service)
    ports = {name: free_port() for name in ("HTTP", "STORAGE", "METADATA")}
    environ |= {f"STRONGROOM_{name}_BIND": f"127.0.0.1:{port}" for name, port in ports.items()}
    environ |= {
        "STRONGROOM_STORAGE_ADDRESS": f"127.0.0.1:{ports['STORAGE']}",
        "STRONGROOM_METADATA_ADDRESS": f"127.0.0.1:{ports['METADATA']}",
        **env,
    }
    environ.pop("STRONGROOM_METRICS_BIND", None)
    url = f"http://127.0.0.1:{ports['HTTP']}"
    command = [sys.executable, "-c", _SERVE, str(links_ahead)]
    with (
        (folder / "replica.log").open("wb") as log,
        subprocess.Popen(command, cwd=CHECKOUT, env=environ, stdout=log, stderr=log) as process,
    ):
        try:
            until("the replica is ready", lambda: _is_ready(process, url))
            yield url
        finally:
            process.terminate()


def _environ_of(stack: RunningStack, service: Service) -> dict[str, str]:
    of_fork = stack.log_path(service).with_suffix(ENVIRON)
    if of_fork.exists():
        found: dict[str, str] = json.loads(of_fork.read_text())
    else:
        pairs = Path(f"/proc/{stack.pid(service)}/environ").read_bytes().decode().split("\0")
        found = dict(pair.split("=", 1) for pair in pairs if pair)
    return {name: value for name, value in found.items() if name.startswith(("STRONGROOM_", "AWS_", "S3_"))}


def _is_ready(process: subprocess.Popen[bytes], url: str) -> bool:
    assert process.poll() is None, "the replica has ended"
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
