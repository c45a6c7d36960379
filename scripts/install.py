"""Installs packages: ``python scripts/install.py [--into PYTHON] WHAT…``, otherwise like ``pip install``.

uv needs seconds where pip needs a minute of CPU. It uses pip's configured index (``index-url``). If uv fails,
for instance because it needs other indexes or certificates, pip installs the packages.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Install into this Python's environment, or that of ``--into``. Returns the installer's exit status."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--into", default=sys.executable)
    chosen, what = parser.parse_known_args(arguments)
    failed = _by_uv(chosen.into, what)
    if failed is None:
        return 0
    print(f"uv could not install ({failed}); pip does it")
    pip = [sys.executable, "-m", "pip", "--python", chosen.into, "install"]  # an environment may have no pip
    return subprocess.run(
        [*pip, "--quiet", "--disable-pip-version-check", "--no-compile", *what], check=False
    ).returncode


def _by_uv(python: str, what: list[str]) -> str | None:
    """Install with uv. Returns None, or the reason why it failed."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        return "it is not here"
    command = [str(uv), "pip", "install", "--quiet", "--python", python, *what]
    index = _index_of_pip()
    env = {"UV_DEFAULT_INDEX": index, **os.environ} if index else None
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1].strip()


def _index_of_pip() -> str | None:
    """The index configured for pip, in its files or its environment."""
    if index := os.environ.get("PIP_INDEX_URL"):
        return index
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "get", "global.index-url"]
    found = subprocess.run(pip, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None if found.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
