"""Imported first of all by what runs as a service: structlog and httpx load rich and pygments where they find
them, to print to terminals. That is 4 MiB of each process, for nothing.
"""

from __future__ import annotations

import sys

for _name in ("rich", "pygments"):  # httpx asks for pygments first
    # None means "can't be imported" (documentation of sys.modules).
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]  # typeshed leaves None out
