"""Makes a release: wheel, sdist, SBOM, licences, notes and checksums, into ``dist/``.

Everything comes from ``git archive`` of a commit and has its date, so a release can be reproduced byte for
byte.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from scripts.release import building, licences, notes, sbom
from scripts.release.locks import locked
from strongroom.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Make the release. Returns 0, or 1 if two builds differ or a licence is not allowed."""
    parser = argparse.ArgumentParser(prog="python -m scripts.release", description="Make a release.")
    parser.add_argument("--ref", default="HEAD", help="the commit, or its tag")
    parser.add_argument("--into", type=Path, default=ROOT / "dist")
    chosen = parser.parse_args(arguments)
    commit = building.commit_of(ROOT, chosen.ref)
    chosen.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="strongroom-release-") as folder:
        first, second = (building.from_commit(ROOT, commit, Path(folder) / name) for name in ("one", "two"))
        different = [one.name for one, two in zip(first, second, strict=True) if not building.same(one, two)]
        if different:
            sys.stderr.write(f"two builds of {commit.hash} differ: {', '.join(different)}\n")
            return 1
        made = [chosen.into / one.name for one in first]
        for one, target in zip(first, made, strict=True):
            target.write_bytes(one.read_bytes())
    shipped = locked(ROOT, "embedded")
    refused = licences.refused(shipped)
    if refused:
        sys.stderr.write("".join(f"{name}: {why}\n" for name, why in refused.items()))
        return 1
    texts = {
        f"strongroom-{VERSION}.cdx.json": sbom.document(shipped, commit),
        "licences.txt": licences.text(shipped),
        "notes.md": notes.of_version((ROOT / "CHANGELOG.md").read_text("utf-8"), VERSION),
    }
    for name, text in texts.items():
        (chosen.into / name).write_text(text, "utf-8")
        made.append(chosen.into / name)
    (chosen.into / "SHA256SUMS").write_text(building.checksums(made))
    sys.stdout.write("".join(f"{path}\n" for path in (*made, chosen.into / "SHA256SUMS")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
