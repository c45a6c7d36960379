"""Swift's connections to the databases of its buckets, kept from one request to the next: `keep()`.

Swift opens the database of a bucket anew for each request about it, several times where buckets keep
versions: opening it, setting it up and reading its tables is most of what a small listing asks of SQLite
(docs/decisions/0034).
"""

from __future__ import annotations

import importlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_MOST: Final = 64
"""Files to which connections are kept."""
_File = tuple[int, int]


class Kept:
    """Connections that nobody uses at the moment, by the file that they are to; the longest idle first."""

    def __init__(self, connect: Callable[..., Any], most: int = _MOST) -> None:
        self._connect = connect
        self._most = most
        self._idle: OrderedDict[_File, list[Any]] = OrderedDict()

    def connect(
        self, path: str, timeout: float = 30, logger: Any = None, okay_to_create: bool = False
    ) -> Any:
        """`swift.common.db.get_db_connection`: one that is idle, or a new one."""
        file = _file_at(path)
        if file is None or file not in self._idle:
            return self._connect(path, timeout, logger, okay_to_create)
        connection = self._idle[file].pop()
        if not self._idle[file]:
            del self._idle[file]
        connection.timeout = timeout
        return connection

    def leave(self, broker: Any, *_: object) -> None:
        """`DatabaseBroker.__exit__`, which closes the connection: it is kept instead."""
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
    """What is at this path now: a file that has taken the place of another is another."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def keep() -> Kept:
    """Put it in the place of what opens and closes connections, for the life of this process."""
    databases = importlib.import_module("swift.common.db")
    kept = Kept(databases.get_db_connection)
    vars(databases)["get_db_connection"] = kept.connect
    databases.DatabaseBroker.__exit__ = lambda broker, *error: kept.leave(broker, *error)
    return kept
