"""Builds wheel and sdist of a commit, reproducibly."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Commit:
    """``epoch``: the commit's time in Unix seconds, the value of SOURCE_DATE_EPOCH."""

    hash: str
    epoch: int

    @property
    def time(self) -> datetime:
        """The commit's time as a date."""
        return datetime.fromtimestamp(self.epoch, UTC)


def commit_of(root: Path, ref: str) -> Commit:
    """The commit with this name.

    :raises SystemExit: there is none.
    """
    git = ["git", "-C", str(root), "log", "-1", "--format=%H %ct", ref, "--"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{ref} is not a commit: {done.stderr.strip()}")
    name, _, epoch = done.stdout.strip().partition(" ")
    return Commit(name, int(epoch))


def from_commit(root: Path, commit: Commit, folder: Path) -> list[Path]:
    """Build from the commit's files only. They contain its name through ``.gitattributes``."""
    git = ["git", "-C", str(root), "archive", "--format=tar", commit.hash]
    packed = subprocess.run(git, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # since Python 3.11.4
        archive.extractall(folder / "source")  # noqa: S202 - packed by git
    return build(folder / "source", folder / "dist", commit.epoch)


def build(source: Path, into: Path, epoch: int) -> list[Path]:
    """The sdist, and the wheel built from it, by name.

    :raises SystemExit: the build fails.
    """
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into), str(source)]
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return sorted(path for path in into.iterdir() if path.suffix in (".whl", ".gz"))


def same(one: Path, two: Path) -> bool:
    """Whether two files have the same name and bytes."""
    return one.name == two.name and one.read_bytes() == two.read_bytes()


def checksums(paths: Sequence[Path]) -> str:
    """Input for `sha256sum --check`."""
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths)
