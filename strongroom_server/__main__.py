"""``python -m strongroom_server serve``; ``strongroom serve`` becomes this process."""

from __future__ import annotations

import sys

# structlog and httpx load rich and pygments where they find them, to print to terminals: 4 MiB for nothing.
# None means "can't be imported" (documentation of sys.modules).
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # typeshed leaves None out

from strongroom_server.command import main  # noqa: E402 - after the line above

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
