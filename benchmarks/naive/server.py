"""Runs the naive app in a process of its own, with its own database on the stack's Postgres."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from benchmarks import http_load
from benchmarks.ports import free_port

DATABASE = "naive"
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Naive:
    """The running app: its URL, its process, and the DSN of its database."""

    url: str
    pid: int
    dsn: str


def _create_database(superuser_dsn: str) -> str:
    """Create the empty database, or replace it. Returns its DSN."""
    with psycopg.connect(superuser_dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(DATABASE))
        )
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
    return make_conninfo(superuser_dsn, dbname=DATABASE)


def _sqlalchemy_url(dsn: str) -> str:
    fields = conninfo_to_dict(dsn)
    login = f"{fields['user']}:{fields['password']}"
    return f"postgresql+psycopg://{login}@{fields['host']}:{fields['port']}/{fields['dbname']}"


def _wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            http_load.get_json(f"{url}/openapi.json", "none")
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the naive app does not start:\n{log.read_text()[-2000:]}")


@contextmanager
def running(superuser_dsn: str, s3_endpoint: str, jwt_secret: str, folder: Path) -> Iterator[Naive]:
    """Run the app on a free port, with uvicorn's defaults (uvloop, httptools, one process)."""
    dsn = _create_database(superuser_dsn)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "benchmarks.naive.app:create_app"]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning"]
    env = os.environ | {
        "NAIVE_DATABASE_URL": _sqlalchemy_url(dsn),
        "NAIVE_JWT_SECRET": jwt_secret,
        "NAIVE_S3_ENDPOINT": s3_endpoint,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    log = folder / "naive.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=env, stdout=output, stderr=output) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_up(process, url, log)
            yield Naive(url=url, pid=process.pid, dsn=dsn)
        finally:
            process.terminate()
