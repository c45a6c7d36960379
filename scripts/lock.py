"""Write the hashed locks ``requirements/{server,embedded,dev}.txt`` from ``pyproject.toml``, and ``docs.txt``
from ``docs.in``.

Each lock is universal (every Python from 3.11 and every platform, by markers), carries the hashes of all
files of a release, and names no index: the environment of an installation chooses where packages come from.
``--upgrade`` moves every version to the newest allowed one; without it, locked versions stay where possible.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: The extras of pyproject.toml in each lock. ``dev`` has everything, so one install is enough for a checkout.
LOCKS = {
    "server": ("server", "media", "otel"),
    "embedded": ("server", "media", "otel", "embedded"),
    "dev": ("server", "media", "otel", "embedded", "dev"),
}
PLACE = re.compile(r"(?:https?|file)://|--(?:extra-)?index-url|--find-links")


def compile_lock(
    name: str, extras: tuple[str, ...], *, upgrade: bool, source: str = "pyproject.toml"
) -> None:
    """Compile one lock with uv, which ignores pip's configuration."""
    target = Path("requirements", f"{name}.txt")
    # dev is compiled first: its versions constrain the smaller locks, so that all three agree.
    constraint = [] if name == "dev" or not extras else ["--constraint", "requirements/dev.txt"]
    command = [
        *(sys.executable, "-m", "uv", "--no-config", "pip", "compile", source, "--quiet"),
        *("--universal", "--python-version", "3.11", "--generate-hashes"),
        *("--custom-compile-command", "make lock", "--annotation-style", "line"),
        *("--output-file", str(target)),
        *(f"--extra={extra}" for extra in extras),
        *constraint,
        *(["--upgrade"] if upgrade and not constraint else []),
    ]
    foreign = ("UV_INDEX", "PIP_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    subprocess.run(command, cwd=ROOT, check=True, env=environment)
    if found := PLACE.search((ROOT / target).read_text("utf-8")):
        raise SystemExit(f"{target} says where packages come from ({found[0]}): take it out of uv's settings")


def main() -> int:
    """Write all locks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--upgrade", action="store_true", help="move to the newest allowed versions")
    options = parser.parse_args()
    (ROOT / "requirements").mkdir(exist_ok=True)
    for name in sorted(LOCKS, key=lambda lock: lock != "dev"):
        compile_lock(name, LOCKS[name], upgrade=options.upgrade)
        sys.stdout.write(f"requirements/{name}.txt\n")
    compile_lock("docs", (), upgrade=options.upgrade, source="requirements/docs.in")
    sys.stdout.write("requirements/docs.txt\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
