"""Write the console's libraries: ``python -m scripts.vendor_console`` (needs npm).

``gateway/families/console/vendoring`` lists them: package.json with exact versions, and npm's lock with a
hash of each package, which ``npm ci`` checks. To update: edit package.json, run with ``--lock``, read the
difference, run the tests. ``vendored.json`` beside the lock has hashes of the written files, so that a test
detects manual edits without npm.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

CONSOLE: Final = Path(__file__).resolve().parent.parent / "gateway" / "families" / "console"
RECIPE: Final = CONSOLE / "vendoring"
TARGET: Final = CONSOLE / "static" / "vendor"
RECORD: Final = RECIPE / "vendored.json"
#: By name in the console: the package's file, and text to append. Two are scripts that set a global; the
#: appended line makes them modules.
SOURCES: Final = {
    "preact.js": ("preact/dist/preact.mjs", ""),
    "preact_hooks.js": ("preact/hooks/dist/hooks.mjs", ""),
    "htm.js": ("htm/dist/htm.module.js", ""),
    "tus.js": ("tus-js-client/dist/tus.min.js", "export default window.tus;\n"),
    "diff.js": ("diff/dist/diff.min.js", "export default window.Diff;\n"),
    "thumbhash.js": ("thumbhash/thumbhash.js", ""),
}
#: The console's own dependencies, and the libraries built into tus-js-client.
LICENSED: Final = (
    *("preact", "htm", "tus-js-client", "diff", "thumbhash"),
    *("js-base64", "lodash.throttle", "querystringify", "requires-port", "url-parse"),
)


def main(arguments: list[str]) -> int:
    """Install by the lock into a temporary folder, and copy."""
    npm = ["npm", "--no-audit", "--no-fund"]
    if "--lock" in arguments:
        lock = [*npm, "install", "--package-lock-only", "--omit-lockfile-registry-resolved"]
        subprocess.run(lock, cwd=RECIPE, check=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(RECIPE / name, folder)
        subprocess.run([*npm, "ci", "--ignore-scripts"], cwd=folder, check=True)
        written = write(Path(folder) / "node_modules", TARGET)
    RECORD.write_text(json.dumps(written, indent=2) + "\n")
    print(f"{len(written)} files in {TARGET}")
    return 0


def write(modules: Path, target: Path) -> dict[str, str]:
    """Write the console's files from ``modules``. Returns their SHA-256 by name."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name, (source, ending) in SOURCES.items():
        (target / name).write_text(_module((modules / source).read_text("utf-8")) + ending, "utf-8")
    (target / "LICENSES.txt").write_text(_licences(modules), "utf-8")
    return hashes(target)


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def _module(text: str) -> str:
    """A module that browsers find without an import map; source maps are not shipped."""
    lines = [line for line in text.splitlines() if not line.startswith("//# sourceMappingURL=")]
    return "\n".join(lines).replace('from"preact"', 'from"./preact.js"') + "\n"


def _licences(modules: Path) -> str:
    parts = []
    for name in LICENSED:
        about = json.loads((modules / name / "package.json").read_text("utf-8"))
        # If a package has no licence file, its text is beside the lock.
        brought = [
            path for path in sorted((modules / name).iterdir()) if path.name.lower().startswith("licen")
        ]
        text = brought[0] if brought else RECIPE / "licences" / f"{name}.txt"
        parts.append(f"{name} {about['version']} ({about['license']})\n\n{text.read_text('utf-8').strip()}\n")
    return f"\n{'-' * 72}\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
