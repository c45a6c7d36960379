"""Keeps Swift's connections to the databases of its buckets open between requests: `keep()`.

Swift opens a bucket's database for each request about it, several times if buckets keep versions. Opening it,
setting it up and reading its tables is most of SQLite's work for a small listing (docs/decisions/0034).
"""

from __future__ import annotations

import importlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_MOST: Final = 64
"""The most files with open connections."""
_File = tuple[int, int]


class Kept:
    """Idle connections by file, the longest idle first."""

    def __init__(self, connect: Callable[..., Any], most: int = _MOST) -> None:
        self._connect = connect
        self._most = most
        self._idle: OrderedDict[_File, list[Any]] = OrderedDict()

    def connect(
        self, path: str, timeout: float = 30, logger: Any = None, okay_to_create: bool = False
    ) -> Any:
        """`swift.common.db.get_db_connection`: returns an idle connection, or a new one."""
        file = _file_at(path)
        if file is None or file not in self._idle:
            return self._connect(path, timeout, logger, okay_to_create)
        connection = self._idle[file].pop()
        if not self._idle[file]:
            del self._idle[file]
        connection.timeout = timeout
        return connection

    def leave(self, broker: Any, *_: object) -> None:
        """`DatabaseBroker.__exit__`: keeps the connection instead of closing it."""
        connection, broker.conn = broker.conn, None
        if connection is None:
            return
        if (file := _file_at(broker.db_file)) is None:
            connection.close()
            return
        self._idle.setdefault(file, []).append(connection)
        self._idle.move_to_end(file)
        while len(self._idle) > self._most:
            for forgotten in self._idle.popitem(last=False)[1]:
                forgotten.close()


def _file_at(path: str) -> _File | None:
    """The file now at this path. A replacement of a file counts as another file."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def keep() -> Kept:
    """Install the replacements for opening and closing, for the life of this process."""
    databases = importlib.import_module("swift.common.db")
    kept = Kept(databases.get_db_connection)
    vars(databases)["get_db_connection"] = kept.connect
    databases.DatabaseBroker.__exit__ = lambda broker, *error: kept.leave(broker, *error)
    return kept
