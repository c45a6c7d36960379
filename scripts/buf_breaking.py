"""Refuse changes to ``protos/`` that break callers (buf's FILE rules).

Compared with, in this order: ``--against REF``; the newest release tag (``v1.2.3``) HEAD descends from; the
merge base of HEAD with ``origin/main`` or ``main``; HEAD's parent. With none of these (a first commit, a
shallow clone) or when the base has no protos yet there is nothing to break, and the check says so and passes.

The base is extracted from git into a temporary folder, so the check works in any clone and fetches nothing.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE = "protos/strongroom"


def git(*arguments: str) -> str | None:
    """The stripped output of a git command in the repository; None if it fails or is empty."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return (done.stdout.strip() or None) if done.returncode == 0 else None


def base() -> str | None:
    """The commit to compare with, or None if HEAD has no parent."""
    tags = git("tag", "--list", "v[0-9]*", "--merged", "HEAD", "--sort=-v:refname")
    if tags:
        return tags.splitlines()[0]
    head = git("rev-parse", "HEAD")
    for branch in ("origin/main", "main"):
        shared = git("merge-base", "HEAD", branch)
        if shared and shared != head:
            return shared
    return git("rev-parse", "--verify", "--quiet", "HEAD~")


def extract(ref: str, target: Path) -> bool:
    """Extract the protos of ``ref`` (with buf.yaml, if it has one) to ``target``; False if it has none."""
    if not git("ls-tree", "--name-only", ref, f"{MODULE}/"):
        return False
    done = subprocess.run(
        ["git", "archive", "--format=tar", ref, "protos"], cwd=ROOT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # since Python 3.11.4
        archive.extractall(target)  # noqa: S202 - packed by git
    # Today's rules apply, also to a base from before buf.yaml.
    (target / "buf.yaml").write_bytes((ROOT / "buf.yaml").read_bytes())
    return True


def main(arguments: list[str] | None = None) -> int:
    """Run the check. Returns buf's exit code (100: something breaks)."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--against", metavar="REF", help="compare with this commit, tag or branch")
    ref = parser.parse_args(arguments).against or base()
    if ref is None:
        sys.stdout.write("buf breaking: nothing to compare with (no release tag, no parent commit)\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="strongroom-breaking-") as folder:
        target = Path(folder)
        if not extract(ref, target):
            sys.stdout.write(f"buf breaking: {ref} has no protos yet\n")
            return 0
        buf = Path(sys.executable).parent / "buf"
        done = subprocess.run([buf, "breaking", ".", "--against", str(target)], cwd=ROOT, check=False)
    verdict = "compatible with" if done.returncode == 0 else "NOT compatible with"
    sys.stdout.write(f"buf breaking: {verdict} {ref}\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
