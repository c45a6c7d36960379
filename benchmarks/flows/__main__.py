"""``python -m benchmarks.flows [--names FLOW]``: how many of our files and functions a request enters.

It uses a warm stack with its own Postgres and object store. Each flow runs ten times. A function counts if
every run has entered it, and an idle period has not (probes, cleaner). Generated stubs don't count.
``--names`` prints the functions.
"""

from __future__ import annotations

import argparse
import base64
import os
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import httpx

from benchmarks.stack import Stack, running

SERVICES: Final = {"gateway": "gateway", "storage": "storage_service", "metadata": "metadata_service"}
WARM: Final = 5
TIMES: Final = 10
IDLE_SECONDS: Final = 20.0
_PATIENCE: Final = 60.0

Entered = set[tuple[str, str, str]]
"""(file, line, qualified name) of each function."""


class Windows:
    """Reads the functions that the three processes have entered since the last call."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._pids = {SERVICES[name]: stack.pids[name] for name in SERVICES}
        self._folder = folder
        self._window = 0

    def end(self) -> dict[str, Entered]:
        """End the current window. Returns its functions by service."""
        self._window += 1
        for pid in self._pids.values():
            os.kill(pid, signal.SIGUSR1)
        return {service: self._read(service, pid) for service, pid in self._pids.items()}

    def _read(self, service: str, pid: int) -> Entered:
        told = self._folder / f"{service}-{pid}-{self._window}.txt"
        deadline = time.monotonic() + _PATIENCE
        while not told.exists():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{service} does not tell what it has entered")
            time.sleep(0.02)
        found = set()
        for line in told.read_text().splitlines():
            file, number, name = line.split("\t")
            if "_pb2" not in file and not file.startswith("benchmarks/"):
                found.add((file, number, name))
        return found


def _ok(answer: httpx.Response) -> httpx.Response:
    answer.raise_for_status()
    return answer


def flows(client: httpx.Client) -> dict[str, Callable[[], object]]:
    """The requests. The first one creates what the second one reads."""
    body = os.urandom(64 << 10)
    keys: list[str] = []
    saves = iter(range(1 << 30))

    def upload() -> None:
        told = _ok(client.post("/api/v1/s3/upload", files={"file": ("a.bin", body)})).json()
        keys.append(str(told["key"]))

    def ranged() -> None:
        got = _ok(client.get(f"/api/v1/s3/file/{keys[0]}", headers={"range": "bytes=100-1099"}))
        if got.status_code != httpx.codes.PARTIAL_CONTENT or got.content != body[100:1100]:
            raise RuntimeError("the range is not what was sent")

    def save() -> None:
        number = next(saves)
        files = [
            {
                "path": f"{name}.txt",
                "content": base64.b64encode(b"%d" % number).decode(),
                "encoding": "base64",
            }
            for name in "abc"
        ]
        _ok(client.post("/api/projects/save", json={"name": "p", "slug": "p", "files": files}))

    return {"upload": upload, "range": ranged, "save": save}


def measure(stack: Stack, folder: Path) -> dict[str, dict[str, Entered]]:
    """Run each flow. Returns the functions entered, by flow and service."""
    windows = Windows(stack, folder)
    found: dict[str, dict[str, Entered]] = {}
    headers = {"authorization": f"Bearer {stack.token('flow')}"}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=_PATIENCE, trust_env=False) as client:
        requests = flows(client)
        for request in requests.values():
            for _ in range(WARM):
                request()
        windows.end()
        time.sleep(IDLE_SECONDS)  # no wait for a state: the idle time itself is measured
        idle = windows.end()
        for name, request in requests.items():
            found[name] = _repeated(request, windows, idle)
    return found


def _repeated(
    request: Callable[[], object], windows: Windows, idle: dict[str, Entered]
) -> dict[str, Entered]:
    always: dict[str, Entered] = {}
    for _ in range(TIMES):
        windows.end()
        request()
        for service, entered in windows.end().items():
            always[service] = always.get(service, entered) & entered
    return {service: entered - idle[service] for service, entered in always.items()}


def _figures(entered: Iterable[Entered]) -> str:
    everything = [item for one in entered for item in one]
    return f"{len({file for file, _, _ in everything}):4} / {len(everything):4}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flows", description=__doc__)
    parser.add_argument(
        "--names", choices=("upload", "range", "save"), help="also print what this flow enters"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-flows-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # as root, Postgres runs as another user
        traces = folder / "traces"
        traces.mkdir()
        env = {"FLOW_TRACES": str(traces), "PYTHONPATH": str(Path(__file__).parent / "site")}
        with running(folder, None, {**env, "STRONGROOM_FORM": "three"}) as stack:
            found = measure(stack, traces)
    print(f"{'files / functions':18}" + "".join(f"{service:>18}" for service in (*SERVICES.values(), "all")))
    for name, entered in found.items():
        columns = [_figures([entered[service]]) for service in SERVICES.values()]
        print(f"{name:18}" + "".join(f"{column:>18}" for column in (*columns, _figures(entered.values()))))
    if arguments.names:
        _print_names(found[arguments.names])


def _print_names(entered: dict[str, Entered]) -> None:
    for service, items in entered.items():
        by_file = defaultdict(list)
        for file, _, name in sorted(items, key=lambda item: (item[0], int(item[1]))):
            by_file[file].append(name)
        print(f"\n{service}")
        for file, names in by_file.items():
            print(f"  {file}: {', '.join(names)}")


if __name__ == "__main__":
    main()
