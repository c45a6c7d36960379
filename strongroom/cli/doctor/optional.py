"""Libraries that the doctor uses when they are there. The only place of the package that loads any of them.

boto3 and psycopg are not dependencies: `pip install strongroom` stays small, and no other code of the package
may come to need them (import contracts `object-store` and `database`).
"""

from __future__ import annotations

import importlib
from typing import Any


def load(module: str) -> Any | None:
    """The module, or None when it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None
