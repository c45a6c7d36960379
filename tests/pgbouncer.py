"""A real PgBouncer for tests, from Debian (`pgbouncer`): transaction mode, in front of the run's Postgres."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.ports import free_port
from tests.stack import until

_CONFIG: Final = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = md5
auth_file = {users}
pool_mode = transaction
default_pool_size = {servers}
"""


@contextlib.contextmanager
def running_pgbouncer(folder: Path, dsn: str, servers: int) -> Iterator[str]:
    """The same login through a pooler that opens at most ``servers`` connections; killed at the end."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise RuntimeError("these tests need Debian's pgbouncer: apt-get install pgbouncer")
    where = urlsplit(dsn)
    own = free_port()
    users, config = folder / "users.txt", folder / "pgbouncer.ini"
    users.write_text(f'"{where.username}" "{where.password or ""}"\n')
    config.write_text(
        _CONFIG.format(host=where.hostname, port=where.port, own=own, users=users, servers=servers)
    )
    login = where.netloc.rpartition("@")[0]
    through = urlunsplit(where._replace(netloc=f"{login}@127.0.0.1:{own}"))
    as_nobody = ("--user", "nobody") if os.geteuid() == 0 else ()
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen([program, *as_nobody, str(config)], stdout=log, stderr=log)
    try:
        until("pgbouncer lets us in", lambda: _lets_in(process, through, folder / "pgbouncer.log"))
        yield through
    finally:
        process.kill()
        process.wait()


def _lets_in(process: subprocess.Popen[bytes], dsn: str, log: Path) -> bool:
    assert process.poll() is None, f"pgbouncer ended: {log.read_text()}"
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn, connect_timeout=5):
        return True
    return False
