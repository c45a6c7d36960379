"""Sample a service of the running stack: `python -m scripts.profile_service storage --seconds 20`.

py-spy samples from another process, so the service runs unchanged, at nearly its usual speed. Put load on it
at the same time (`make bench`, or a client of yours). The flame graph is `.strongroom/profile-SERVICE.svg`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

SERVICES = ("gateway", "metadata", "storage")


def main() -> int:
    """Sample the service. Returns py-spy's exit status, or 1 if no stack runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument(
        "--data-dir", type=Path, default=Path(os.environ.get("STRONGROOM_DATA_DIR", ".strongroom"))
    )
    options = parser.parse_args()
    stack: Path = options.data_dir / "stack.json"
    if not stack.exists():
        sys.stderr.write(f"no stack runs here ({stack} does not exist): start one with `make up`\n")
        return 1
    pid = json.loads(stack.read_text("utf-8"))[options.service]["pid"]
    target = options.data_dir / f"profile-{options.service}.svg"
    spy = Path(sys.executable).with_name("py-spy")
    command = [str(spy), "record", "--native", "--threads", "--subprocesses", "--pid", str(pid)]
    done = subprocess.run(
        [*command, "--duration", str(options.seconds), "--output", str(target)], check=False
    )
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
