"""Loads libraries that the doctor uses if they are installed. No other module of the package loads them.

boto3 and psycopg are not dependencies, so that `pip install strongroom` stays small; no other code may need
them (import contracts `object-store` and `database`).
"""

from __future__ import annotations

import importlib
from typing import Any


def load(module: str) -> Any | None:
    """Return the module, or None if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None
