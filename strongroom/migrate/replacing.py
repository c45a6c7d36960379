"""Writes text files atomically."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def replacing_text(path: Path) -> Generator[TextIO]:
    """Yield a new UTF-8 file beside ``path`` that replaces it at the end, durably, with lines as they are
    written. After an exception it is removed; after a kill the next run overwrites it.

    :raises OSError: the folder can't be written to, or is full.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
