"""Makes the documentation site: ``python -m scripts.docs`` (`make docs`, `make docs-serve`)."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from scripts.docs.staging import BrokenLinkError, stage

ROOT: Final = Path(__file__).resolve().parents[2]
BUILD: Final = ROOT / "build" / "docs"
PROGRAM: Final = ROOT / ".tools" / "docs" / "bin" / "zensical"
#: While serving, pages are staged again at this interval; those made from code stay as at the start.
EVERY_SECONDS: Final = 2.0


def main(arguments: list[str] | None = None) -> int:
    """Make the site, or serve it. Returns 1 if a link is broken, else the generator's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.docs", description="Make the documentation site."
    )
    parser.add_argument(
        "--serve", action="store_true", help="at http://127.0.0.1:8000, made again as pages change"
    )
    serve = parser.parse_args(arguments).serve
    try:
        stage(ROOT, BUILD)
    except BrokenLinkError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    config = ("-f", str(BUILD / "mkdocs.yml"))
    if not serve:
        return subprocess.run([PROGRAM, "build", *config, "--strict"], check=False).returncode
    with subprocess.Popen([PROGRAM, "serve", *config]) as server:
        try:
            while server.poll() is None:
                time.sleep(EVERY_SECONDS)
                _again()
        except KeyboardInterrupt:
            server.terminate()
    return max(0, server.returncode)


def _again() -> None:
    try:
        stage(ROOT, BUILD)
    except BrokenLinkError as error:
        sys.stderr.write(f"{error}\n")


if __name__ == "__main__":
    sys.exit(main())
