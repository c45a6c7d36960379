"""A kept connection answers like a new one."""

from __future__ import annotations

import importlib
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from devstack.swift_databases import Kept


def connect(path: str, *_: object) -> Any:
    return importlib.import_module("swift.common.db").GreenDBConnection(path, 5)


def made(path: Path) -> str:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE object (name TEXT)")
    database.close()
    return str(path)


def used(kept: Kept, path: str) -> Any:
    """The connection of a request about this file, which has ended."""
    broker = SimpleNamespace(db_file=path, conn=kept.connect(path, 30))
    connection = broker.conn
    kept.leave(broker)
    assert broker.conn is None
    return connection


def is_open(connection: Any) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return False
    return True


def test_the_next_request_has_it_and_sees_what_others_wrote(tmp_path: Path) -> None:
    kept, path = Kept(connect), made(tmp_path / "b.db")
    first = used(kept, path)
    with sqlite3.connect(path) as other:
        other.execute("INSERT INTO object VALUES ('x')")
    other.close()
    again = kept.connect(path, 7)
    assert again is first
    assert (again.timeout, again.execute("SELECT name FROM object").fetchall()) == (7, [("x",)])


def test_two_requests_at_once_have_two(tmp_path: Path) -> None:
    kept, path = Kept(connect), made(tmp_path / "b.db")
    used(kept, path)
    assert kept.connect(path) is not kept.connect(path)


def test_nothing_is_kept_of_a_file_that_was_replaced_or_removed(tmp_path: Path) -> None:
    kept, path = Kept(connect), made(tmp_path / "b.db")
    first = used(kept, path)
    Path(made(tmp_path / "new.db")).rename(path)
    assert kept.connect(path) is not first
    broker = SimpleNamespace(db_file=path, conn=first)
    Path(path).unlink()
    kept.leave(broker)
    assert not is_open(first)


def test_those_that_are_idle_for_longest_are_closed(tmp_path: Path) -> None:
    kept = Kept(connect, most=2)
    a, b, c = (used(kept, made(tmp_path / name)) for name in "abc")
    assert [is_open(each) for each in (a, b, c)] == [False, True, True]


@pytest.mark.parametrize("kind", ["container", "account"])
def test_brokers_of_swift_use_what_is_kept(kind: str, tmp_path: Path) -> None:
    """In a separate process, because the replacement lasts for the life of a process."""
    script = f"""
import importlib, sys
from devstack import swift_databases
swift_databases.keep()
module = importlib.import_module("swift.{kind}.backend")
broker = getattr(module, "{kind.title()}Broker")
def one(**more):
    return broker(sys.argv[1], account="a", **more)
more = {{"container": "c"}} if "{kind}" == "container" else {{}}
now = importlib.import_module("swift.common.utils").Timestamp.now().internal
new = one(**more)
new.initialize(now, *([0] if more else []))
seen = set()
for _ in range(3):
    with one(**more) as asked:
        assert not asked.get_info_is_deleted()[1] if more else not asked.is_deleted()
        seen.add(id(asked.conn))
assert len(seen) == 1, seen
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, str(tmp_path / "x.db")], check=True)
