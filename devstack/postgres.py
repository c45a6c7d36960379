"""Embedded PostgreSQL 18: initdb, server, roles. Loopback TCP with SCRAM, no Unix socket, data checksums.

There is no socket, because its path may have at most 107 bytes, and that of a data directory may be longer.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import psycopg

from devstack import ports, roles
from devstack.command import Command, Service, log_tail, spawn
from devstack.datadir import DataDir, Secrets
from devstack.errors import DevstackError
from devstack.postgres_files import Placement, place
from devstack.postgres_lock import clear_the_way

NAME = "postgres"
_SUPERUSER = "postgres"
_CONFIGURATION = """
shared_buffers = '128MB'
max_connections = 200
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
"""


class EmbeddedPostgres:
    """One cluster below {data dir}/postgres. `port` is on 127.0.0.1."""

    warning = ""

    def __init__(self, data: DataDir, secrets: Secrets, kept_ports: ports.KeptPorts) -> None:
        self._data = data
        self._superuser_password = secrets.get("postgres_superuser")
        self._owner_password = secrets.get("postgres_owner")
        self._app_password = secrets.get("postgres_app")
        self._placement = place(data.postgres)
        self.port = kept_ports.get(NAME)

    @property
    def superuser_dsn(self) -> str:
        """The superuser's login, which row-level security does not restrict."""
        return self._dsn(_SUPERUSER, self._superuser_password)

    @property
    def owner_dsn(self) -> str:
        """The login that owns the database and runs migrations."""
        return self._dsn(roles.OWNER, self._owner_password)

    @property
    def app_dsn(self) -> str:
        """The login of metadata_service."""
        return self._dsn(roles.APPLICATION, self._app_password)

    def initialise(self) -> None:
        """Create the cluster if there is none, or only an incomplete one left by an interrupted start."""
        cluster = self._placement.cluster
        if (cluster / "PG_VERSION").exists():
            return
        staging = cluster.with_name("data.new")
        initdb(self._placement, staging, self._superuser_password, self._data.log("initdb"))
        with (staging / "postgresql.auto.conf").open("a") as file:
            file.write(_CONFIGURATION)
        staging.replace(cluster)

    def services(self) -> list[Service]:
        """The supervised server process."""
        here = self._placement
        settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", f"cluster_name={here.mark}")
        argv = (str(here.programs / "postgres"), "-D", here.data_option(here.cluster), "-p", str(self.port))
        command = Command(
            name=NAME,
            argv=(*argv, *(word for setting in settings for word in ("-c", setting))),
            env=_environment(),
            cwd=here.cluster,
            log=self._data.log(NAME),
            user=here.user,
            stop_signal=signal.SIGINT,  # "fast shutdown": rolls back open transactions
            orphan_signal=signal.SIGINT,
        )
        where = f"{ports.HOST}:{self.port}"
        return [
            Service(
                command,
                self._answers,
                where,
                before_start=self._clear_the_way,
                title=NAME,
                port=self.port,
            )
        ]

    def prepare(self) -> None:
        """Create roles and database in the running server. Does nothing the second time."""
        with psycopg.connect(self._admin_dsn(), autocommit=True, sslmode="disable") as connection:
            roles.ensure_login(connection, roles.OWNER, self._owner_password)
            roles.ensure_login(connection, roles.APPLICATION, self._app_password)
            roles.ensure_database(connection, roles.DATABASE, roles.OWNER)

    def _dsn(self, user: str, password: str) -> str:
        return f"postgresql://{user}:{password}@{ports.HOST}:{self.port}/{roles.DATABASE}"

    def _admin_dsn(self) -> str:
        return self.superuser_dsn.rpartition("/")[0] + "/postgres"

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self._admin_dsn(), connect_timeout=2, sslmode="disable") as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _clear_the_way(self) -> None:
        clear_the_way(self._placement.cluster, self._placement.mark)


def initdb(placement: Placement, target: Path, password: str, log: Path) -> None:
    """Run initdb into `target`, which is emptied first. Raises DevstackError with initdb's output.

    The locale is Postgres' own C.UTF-8: it sorts by code point and is the same on every operating system.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o700)
    password_file = target.with_name("initdb-password")
    password_file.touch(mode=0o600)
    password_file.write_text(f"{password}\n")
    if placement.user is not None:
        for path in (target, password_file):
            os.chown(path, placement.user.uid, placement.user.gid)
    options = [
        *(
            "--pgdata",
            placement.data_option(target),
            "--username",
            _SUPERUSER,
            "--pwfile",
            f"../{password_file.name}",
        ),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums"),
        # 32 random bytes can't be guessed, and 4096 rounds of hashing were half the cost of a connection.
        *("--set", "scram_iterations=1"),
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
    ]
    command = Command(
        name="initdb",
        argv=(str(placement.programs / "initdb"), *options),
        env=_environment(),
        cwd=target,
        log=log,
        user=placement.user,
    )
    status = spawn(command).wait()
    password_file.unlink()
    if status != 0:
        raise DevstackError(f"initdb could not make a cluster in {target}; {log} ends with:\n{log_tail(log)}")


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
