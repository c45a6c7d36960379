"""Three real service processes with their own database and bucket, and a fault proxy in front of each server.

Failpoints are read once per process, so arming one means restarting that process; ``run`` starts exactly the
processes that are dead or armed differently. No supervisor restarts anything on its own.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit, urlunsplit

import httpx
import psutil

from devstack import bucket, environment, health
from devstack.command import Probe, log_tail
from devstack.environment import ALL, GATEWAY, METADATA, STORAGE, Addresses, StackValues
from devstack.infra import Infra
from devstack.ports import HOST, KeptPorts
from devstack.stackfile import S3Entry
from tests.databases import TEMPLATE, migrated_template
from tests.faults.checker import Checker
from tests.faults.s3_proxy import S3Proxy
from tests.faults.tcp_proxy import PostgresProxy
from tests.forks.client import Child, ForkServer
from tests.stack import FAST_DRAIN, NO_LIMITS, NO_WEBHOOKS, clean_environ, until, user_token

Service = Literal["gateway", "storage", "metadata"]
SERVICES: Final[tuple[Service, ...]] = ("metadata", "storage", "gateway")
_JWT_SECRET: Final = "fault-tests-jwt-secret-0123456789abcdef"
_SMALL_PARTS: Final = {"STRONGROOM_PART_SIZE_BYTES": str(5 << 20)}  # the smallest that S3 allows
#: The cleaner's passes were half the cost of an idle cell, and up to six cells are idle at once.
_SELDOM_LOOKS: Final = {
    "STRONGROOM_CLEANER_INTERVAL_SECONDS": "1",
    "STRONGROOM_CLEANER_SWEEP_SECONDS": "5",
}
_INTERNAL_SECRET: Final = "fault-tests-internal-secret-0123456789"
_MODULES: Final = {
    METADATA: "metadata_service",
    STORAGE: "storage_service",
    GATEWAY: "gateway",
    ALL: "strongroom_server",
}
#: Each service in a separate process, unless a module or the environment requests one for all.
FORM: Final = os.environ.get("STRONGROOM_FORM") or "three"


@dataclass
class _Process:
    """One process, and the failpoints with which it was started."""

    process: Child
    failpoints: str

    @property
    def alive(self) -> bool:
        return self.process.code is None


class Cell:
    """``run()`` starts the services, ``stop()`` ends everything. ``logins``: of the database, bypassing the
    proxy.

    ``form``: "three" processes, or "one", which dies as a whole, whichever service a test names.
    ``constants``: see ``ForkServer.start``.
    """

    def __init__(
        self,
        infra: Infra,
        forks: ForkServer,
        name: str,
        folder: Path,
        env: Mapping[str, str] | None = None,
        *,
        form: str = FORM,
        constants: Mapping[str, int] | None = None,
    ) -> None:
        self.form = form
        self._constants = constants or {}
        self._forks = forks
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._infra = infra
        self._ports = KeptPorts(folder / "ports.json")
        self._env: dict[str, str] = {
            **clean_environ(),
            **FAST_DRAIN,
            **NO_LIMITS,
            **NO_WEBHOOKS,
            **_SELDOM_LOOKS,
            **_SMALL_PARTS,
            **(env or {}),
        }
        self.logins = migrated_template(infra).create(name, template=TEMPLATE)
        self._store = replace(infra.s3, bucket=name)
        bucket.ensure(self._store)
        self.checker = Checker(_at(infra.postgres_superuser_dsn, name), self._store)
        self.s3 = S3Proxy(infra.s3.endpoint)
        where = urlsplit(infra.app_dsn)
        self.postgres = PostgresProxy(HOST, where.port or 0)
        self._values = self._stack_values(name)
        self._running: dict[str, _Process] = {}
        self._clocks: dict[str, float] = {}

    @property
    def url(self) -> str:
        """`http://host:port` of the gateway."""
        return f"http://{self._values.addresses.gateway}"

    @property
    def storage_address(self) -> str:
        """`host:port` of storage_service."""
        return self._values.addresses.storage

    def address(self, service: str) -> str:
        """`host:port` of a service."""
        return dict(self._values.addresses.by_name())[service]

    @property
    def store(self) -> S3Entry:
        """The bucket, bypassing the proxy."""
        return self._store

    def use_bucket(self, name: str) -> None:
        """Use another bucket, created if missing, for services started from now on."""
        self._store = replace(self._store, bucket=name)
        bucket.ensure(self._store)
        self._values = replace(self._values, s3=replace(self._values.s3, bucket=name))

    def token(self, sub: str, **claims: object) -> str:
        """A token for ``sub``."""
        return user_token(_JWT_SECRET, sub, **claims)

    def http(self, sub: str) -> httpx.Client:
        """A gateway client for ``sub``; the caller closes it."""
        headers = {"authorization": f"Bearer {self.token(sub)}"}
        return httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60)

    def run(self, **failpoints: str) -> None:
        """Run the services with exactly these failpoints: ``run(storage="storage.t1.after=kill")``."""
        if self.start(**failpoints):
            self._wait_ready()

    def start(self, **failpoints: str) -> bool:
        """Like ``run`` without waiting, for processes that may die before they are ready. Returns whether any
        was started.
        """
        if self.form == "one":
            armed = ";".join(filter(None, (failpoints.get(name) for name in SERVICES)))
            return self._start(ALL, SERVICES, armed)
        started = [name for name in SERVICES if self._start(name, (name,), failpoints.get(name, ""))]
        return bool(started)

    def wait_killed(self, service: Service) -> None:
        """Wait until SIGKILL has ended the process."""
        process = self._running[service].process
        until(f"{service} dies", lambda: process.code is not None)
        assert process.code == -signal.SIGKILL, self._told(service, f"ended with {process.code}")

    def kill(self, service: Service) -> None:
        """SIGKILL it now."""
        self._running[service].process.end()

    def is_alive(self, service: Service) -> bool:
        """Whether the process runs (or is stopped)."""
        return self._running[service].alive

    def pid(self, service: Service) -> int:
        """The current pid."""
        return self._running[service].process.pid

    def exit_code(self, service: Service) -> int | None:
        """The exit code; None while it runs."""
        return self._running[service].process.code

    def children(self, service: Service) -> list[int]:
        """The running child processes of a service, oldest first."""
        pid = self.pid(service)
        if not psutil.pid_exists(pid):
            return []
        found = psutil.Process(pid).children()
        running = [one for one in found if one.status() != psutil.STATUS_ZOMBIE]
        return [one.pid for one in sorted(running, key=lambda one: one.create_time())]

    @contextmanager
    def settings(self, **env: str) -> Iterator[None]:
        """Processes started inside the block also have these settings."""
        before = dict(self._env)
        self._env.update(env)
        try:
            yield
        finally:
            self._env.clear()
            self._env.update(before)

    @contextmanager
    def clock(self, service: Service, seconds: float) -> Iterator[None]:
        """This service's process, if started inside the block, has its clock this far ahead; leaving kills
        it.
        """
        role = ALL if self.form == "one" else service
        self.kill(service)
        self._clocks[role] = seconds
        try:
            yield
        finally:
            self._clocks.clear()
            self.kill(service)

    def failpoints_of(self, service: Service) -> str:
        """The failpoints of the current process."""
        return self._running[service].failpoints

    def wait_stopped(self, service: Service) -> None:
        """Wait until SIGSTOP has frozen the process."""
        process = psutil.Process(self._running[service].process.pid)
        until(f"{service} is frozen", lambda: process.status() == psutil.STATUS_STOPPED)

    def send(self, service: Service, number: signal.Signals) -> None:
        """Signal a process."""
        os.kill(self._running[service].process.pid, number)

    def postgres_pid(self) -> int:
        """The postmaster's current pid."""
        return self._infra.state().postgres.pid

    def kill_postgres(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT to the postmaster ("immediate shutdown"): nothing is written, recovery follows; SIGINT
        ("fast"): transactions are rolled back. It is restarted.
        """
        os.kill(self.postgres_pid(), number)

    @contextmanager
    def second_storage(
        self, failpoints: str = "", *, name: str = "storage-2", role: str = STORAGE, **env: str
    ) -> Iterator[str]:
        """Another storage_service with the same rows. Yields its address, which the gateway does not know.

        ``role`` ALL: with its own other services. ``env`` replaces its settings.
        """
        services = SERVICES if role == ALL else (STORAGE,)
        own = {service: f"{HOST}:{self._ports.get(f'{name}-{service}')}" for service in services}
        values = replace(self._values, addresses=replace(self._values.addresses, **own))
        process = self._spawn(name, role, values, failpoints, env)
        self._running[name] = _Process(process, failpoints)
        try:
            until(f"{name} serves", lambda: self._serves(name, health.grpc_serving(own[STORAGE])))
            yield own[STORAGE]
        finally:
            self._running.pop(name).process.end()

    @contextmanager
    def second_gateway(self, *storages: str, path: str = "/readyz", **env: str) -> Iterator[str]:
        """Another gateway for these storage services. Yields its URL once ``path`` answers 200.

        ``env`` replaces its settings.
        """
        name = "gateway-2"
        address = f"{HOST}:{self._ports.get(name)}"
        behind = replace(self._values.addresses, gateway=address, storage=f"ipv4:{','.join(storages)}")
        values = replace(self._values, addresses=behind)
        self._running[name] = _Process(self._spawn(name, GATEWAY, values, "", env), "")
        try:
            until(f"{name} serves", lambda: self._serves(name, health.http_ok(f"http://{address}{path}")))
            yield f"http://{address}"
        finally:
            self._running.pop(name).process.end()

    def end(self, service: Service) -> None:
        """SIGTERM, and wait until the process has finished its work."""
        self.send(service, signal.SIGTERM)
        process = self._running[service].process
        until(f"{service} ends", lambda: process.code is not None)

    def end_tombstones(self, seconds: float = 60.0) -> None:
        """``Checker.end_tombstones``, after the store has answered all requests sent so far."""
        self.checker.wait_removed(seconds)
        self.s3.wait_answered(seconds)
        self.checker.end_tombstones(seconds)

    def stop_services(self) -> None:
        """SIGKILL all services."""
        for running in self._running.values():
            running.process.end()

    def stop(self) -> None:
        """End the services and the proxies; the servers stay."""
        self.stop_services()
        self.s3.close()
        self.postgres.close()

    def log(self, service: str, lines: int = 40) -> str:
        """The end of a service's log."""
        if self.form == "one" and service in SERVICES:
            service = ALL
        return log_tail(self._folder / f"{service}.log", lines, 1000 * lines)

    def _start(self, role: str, services: Sequence[Service], failpoints: str) -> bool:
        """Start the process with these services, unless it runs with these failpoints."""
        running = self._running.get(services[0])
        if running is not None and running.alive and running.failpoints == failpoints:
            return False
        if running is not None:
            running.process.end()
        process = _Process(self._spawn(role, role, self._values, failpoints), failpoints)
        self._running |= dict.fromkeys(services, process)
        return True

    def _spawn(
        self,
        name: str,
        role: str,
        values: StackValues,
        failpoints: str,
        more: Mapping[str, str] | None = None,
    ) -> Child:
        env = environment.for_service(role, self._env, values) | dict(more or {})
        armed = {"STRONGROOM_FAILPOINTS": failpoints} if failpoints else {}
        log = self._folder / f"{name}.log"
        clock = self._clocks.get(role, 0.0)
        return self._forks.start(_MODULES[role], env | armed, log, self._constants, clock)

    def _wait_ready(self) -> None:
        """Wait until each service serves and the connections between them work again."""
        at = self._values.addresses
        probes = (
            (METADATA, health.grpc_serving(at.metadata)),
            (STORAGE, health.grpc_serving(at.storage)),
            (GATEWAY, health.http_ok(f"{self.url}/readyz")),
        )
        for name, probe in probes:
            until(f"{name} serves", lambda name=name, probe=probe: self._serves(name, probe))  # type: ignore[misc]
        with httpx.Client(
            headers={"authorization": f"Bearer {self.token('probe')}"}, trust_env=False, verify=False
        ) as client:
            # gateway → storage_service → metadata_service → Postgres: an unknown file is reported as unknown
            until(
                "a call goes all the way",
                lambda: _status(client, f"{self.url}/api/v1/s3/file/none/url") == 404,
            )

    def _serves(self, name: str, probe: Probe) -> bool:
        assert self._running[name].alive, self._told(name, "ended at its start")
        return probe()

    def _told(self, name: str, what: str) -> str:
        return f"{name} {what}; its log ends with:\n{self.log(name)}"

    def _stack_values(self, database: str) -> StackValues:
        where = {name: f"{HOST}:{self._ports.get(name)}" for name in SERVICES}
        return StackValues(
            addresses=Addresses(**where),
            owner_dsn=_at(self._infra.owner_dsn, database),
            app_dsn=_at(self._infra.app_dsn, database, self.postgres.port),
            s3=replace(self._store, endpoint=self.s3.endpoint),
            jwt_secret=_JWT_SECRET,
            link_secret="a secret of links, 0123456789abcdef",
            internal_secret=_INTERNAL_SECRET,
            embedded_database=True,
            embedded_s3=True,
        )


def _at(dsn: str, database: str, port: int | None = None) -> str:
    """The same login for another database, and through another port."""
    parts = urlsplit(dsn)
    login = parts.netloc.rpartition("@")[0]
    host = f"{parts.hostname}:{port or parts.port}"
    return urlunsplit(parts._replace(netloc=f"{login}@{host}", path=f"/{database}"))


def _status(client: httpx.Client, url: str) -> int:
    try:
        return client.get(url, timeout=10).status_code
    except httpx.HTTPError:
        return 0
