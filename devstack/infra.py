"""Postgres and S3 alone, for tests: `with infra.start(path) as servers: …`, or `python -m devstack infra
--data-dir D`.

They run below a supervisor process of their own. It stops when its starter closes it or dies, also by kill
-9; or, with a FIFO as `lifeline`, when no process has that open for writing any more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from devstack.backends import Backends
from devstack.datadir import DataDir, Secrets
from devstack.errors import DevstackError, StartFailedError
from devstack.interrupts import Interrupts
from devstack.leftovers import stop as stop_leftovers
from devstack.settings import Settings
from devstack.stackfile import PostgresEntry, S3Entry, write_private_json
from devstack.supervisor import Report, Supervisor

_CHECKOUT = Path(__file__).resolve().parent.parent
_STOP_SECONDS = 120.0
_LIFELINE = 0  # standard input: its end means that the starter is gone


@dataclass(frozen=True)
class InfraState:
    """{data dir}/infra.json: DSNs of the three logins and the S3 endpoint, with the current pids."""

    postgres: PostgresEntry
    owner_dsn: str
    app_dsn: str
    s3: S3Entry


class Infra:
    """A running Postgres and S3. `close()` stops them; the data stays.

    Without a `process` another process runs them, and `close()` leaves them alone.
    """

    def __init__(self, data: DataDir, process: subprocess.Popen[bytes] | None) -> None:
        self._data = data
        self._process = process
        state = self.state()
        self.postgres_superuser_dsn = state.postgres.dsn
        self.owner_dsn = state.owner_dsn
        self.app_dsn = state.app_dsn
        self.s3 = state.s3

    @property
    def data_dir(self) -> Path:
        """The folder of all data; logs are in its `log` folder."""
        return self._data.root

    def state(self) -> InfraState:
        """The current state: pids change when a process is restarted."""
        return _read_state(self._data.infra)

    def storage_environ(self) -> dict[str, str]:
        """The AWS_* variables with which storage_service uses this S3."""
        return s3_environ(self.s3)

    def close(self) -> None:
        """Stop both servers and wait until they are gone."""
        if self._process is None:
            return
        try:
            self._process.communicate(timeout=_STOP_SECONDS)  # closes its standard input, the lifeline
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start(data_dir: Path, environ: Mapping[str, str] | None = None, lifeline: Path | None = None) -> Infra:
    """Start embedded Postgres and S3 in `data_dir`, which is created if missing; existing data is used.

    :param environ: added to this process's environment; a server named by its variables replaces the embedded
        one.
    :param lifeline: the servers outlive this process; see the module.

    Raises StartFailedError with the output. Several may run side by side in different directories.
    """
    data = DataDir(data_dir)
    data.create()
    output = data.log("infra")
    argv = [sys.executable, "-m", "devstack", "infra", "--data-dir", str(data.root), "--lifeline"]
    # opened without waiting for a writer: if all are gone, the servers stop at once
    stdin = subprocess.PIPE if lifeline is None else os.open(lifeline, os.O_RDONLY | os.O_NONBLOCK)
    with output.open("wb") as log:
        process = subprocess.Popen(
            argv,
            env={**os.environ, **(environ or {})},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=_CHECKOUT,
            start_new_session=True,
        )
    if lifeline is not None:
        os.close(stdin)
    ready = process.stdout.readline() if process.stdout else b""
    if ready.strip() != b"ready":
        process.communicate()
        raise StartFailedError(f"the test servers did not start:\n{output.read_text()}")
    return Infra(data, process)


def find(data_dir: Path) -> Infra:
    """The servers that another process has started in `data_dir`. Raises DevstackError if none run."""
    return Infra(DataDir(data_dir), None)


def s3_environ(s3: S3Entry) -> dict[str, str]:
    """The variables that point storage_service, boto3 and the AWS CLI at this S3."""
    return {
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_REGION": s3.region,
        "AWS_S3_BUCKET": s3.bucket,
        "AWS_S3_ENDPOINT_URL": s3.endpoint,
    }


def run(settings: Settings, report: Report, *, lifeline: bool) -> None:
    """Run `python -m devstack infra`: start, print `ready`, watch until told to stop. Raises
    DevstackError.
    """
    data = DataDir(settings.data_dir)
    data.create()
    with data.locked(), Interrupts(_LIFELINE if lifeline else None) as interrupts:
        stop_leftovers(data.children)
        data.infra.unlink(missing_ok=True)
        supervisor = Supervisor(interrupts, report, data.children)
        backends = Backends(data, settings, Secrets(data.root / "secrets.json"))
        try:
            backends.bring_up(supervisor, report)
            supervisor.changed = lambda: _write_state(data, backends, supervisor)
            supervisor.changed()
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            supervisor.watch()
        finally:
            data.infra.unlink(missing_ok=True)
            supervisor.stop_all()


def _write_state(data: DataDir, backends: Backends, supervisor: Supervisor) -> None:
    state = InfraState(
        backends.postgres_entry(supervisor),
        backends.database.owner_dsn,
        backends.database.app_dsn,
        backends.s3_entry(supervisor),
    )
    write_private_json(data.infra, asdict(state))


def _read_state(path: Path) -> InfraState:
    try:
        kept: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DevstackError(f"nothing runs here: {path} does not exist") from error
    return InfraState(
        PostgresEntry(**kept["postgres"]), kept["owner_dsn"], kept["app_dsn"], S3Entry(**kept["s3"])
    )  # fmt: skip
