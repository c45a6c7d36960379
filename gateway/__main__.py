"""``python -m gateway serve``."""

from __future__ import annotations

import sys

# structlog and httpx load rich and pygments where they find them, to print to terminals: 4 MiB of the 80 that
# the process may have, for nothing. None means "can't be imported" (documentation of sys.modules).
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # typeshed leaves None out

from gateway.command import main  # noqa: E402 - after the line above
from gateway.memory import tune_malloc  # noqa: E402 - same

if __name__ == "__main__":
    tune_malloc()
    sys.exit(main(sys.argv[1:]))
