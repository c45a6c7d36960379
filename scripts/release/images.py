"""Builds images of a commit: ``python -m scripts.release.images``, with docker or podman."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from scripts.release.building import Commit, commit_of
from strongroom.version import VERSION

ROOT: Final = Path(__file__).resolve().parents[2]
TARGETS: Final = ("metadata", "storage", "gateway")


def command(engine: str, target: str, commit: Commit) -> list[str]:
    """The command that builds one target from standard input."""
    arguments = {
        "STRONGROOM_VERSION": VERSION,
        "STRONGROOM_COMMIT": commit.hash,
        "STRONGROOM_CREATED": commit.time.isoformat().replace("+00:00", "Z"),
        "SOURCE_DATE_EPOCH": str(commit.epoch),
    }
    tags = (f"strongroom-{target}:{VERSION}", f"strongroom-{target}:{commit.hash[:12]}")
    return [
        *(engine, "build", "--target", target),
        *(part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")),
        *(part for tag in tags for part in ("--tag", tag)),
        "-",
    ]


def main(arguments: list[str] | None = None) -> int:
    """Build all targets. Returns 0, or the engine's exit code for the first target that fails."""
    parser = argparse.ArgumentParser(prog="python -m scripts.release.images", description="Build the images.")
    parser.add_argument("--ref", default="HEAD", help="the commit, or its tag")
    parser.add_argument("--engine", default=os.environ.get("ENGINE", "docker"))
    chosen = parser.parse_args(arguments)
    commit = commit_of(ROOT, chosen.ref)
    git = ["git", "-C", str(ROOT), "archive", "--format=tar", commit.hash]
    context = subprocess.run(git, capture_output=True, check=True).stdout
    for target in TARGETS:
        done = subprocess.run(command(chosen.engine, target, commit), input=context, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
