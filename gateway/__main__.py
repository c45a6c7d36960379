"""``python -m gateway serve``."""

from __future__ import annotations

import sys

import servicekit.lean_imports  # noqa: F401 - before what would load it
from gateway.command import main
from servicekit.serving.memory import tune_malloc

if __name__ == "__main__":
    tune_malloc()
    sys.exit(main(sys.argv[1:]))
