"""Imported first by service processes: keeps libraries from loading their terminal support.

structlog and httpx look for rich, pygments and click: 5 MiB of each process. uvicorn's package loads its
command line, with click, supervisors and multiprocessing: 1.5 MiB (docs/decisions/0030-uvicorn-inside.md).
"""

from __future__ import annotations

import sys
from types import ModuleType

for _name in ("rich", "pygments", "click"):
    # None means "can't be imported" (documentation of sys.modules).
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]  # typeshed leaves None out

_command_line = ModuleType("uvicorn.main")
_command_line.__dict__.update(Server=None, main=None, run=None)  # the names that the package imports from it
sys.modules.setdefault(_command_line.__name__, _command_line)
