"""`python -m devstack up`: backends, migration, three services; stack.json exists while they are healthy."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from devstack import environment, health, leftovers, ports, tour
from devstack.backends import Backends
from devstack.command import Command, Service
from devstack.datadir import DataDir, Secrets
from devstack.environment import ALL, GATEWAY, METADATA, MIGRATE, STORAGE, Addresses, StackValues
from devstack.interrupts import Interrupts
from devstack.settings import Settings
from devstack.stackfile import GatewayEntry, ServiceEntry, Stack
from devstack.supervisor import Report, Supervisor
from strongroom.version import this_build

_CHECKOUT = Path(__file__).resolve().parent.parent
_MIGRATE_SECONDS = 600.0
_GRACE_SECONDS = 15.0


class _Port(TypedDict):
    port: int
    port_setting: str


@dataclass(frozen=True)
class Programs:
    """The command line of each process; tests use stand-ins."""

    migrate: tuple[str, ...] = (sys.executable, "-m", "metadata_service", "migrate")
    metadata: tuple[str, ...] = (sys.executable, "-m", "metadata_service", "serve")
    storage: tuple[str, ...] = (sys.executable, "-m", "storage_service", "serve")
    gateway: tuple[str, ...] = (sys.executable, "-m", "gateway", "serve")
    all: tuple[str, ...] = (sys.executable, "-m", "strongroom_server", "serve")


class StackRun:
    """One run of the stack, from `run` to Ctrl-C."""

    def __init__(
        self, settings: Settings, caller: Mapping[str, str], report: Report, programs: Programs
    ) -> None:
        self._settings = settings
        self._caller = caller
        self._report = report
        self._programs = programs
        self._data = DataDir(settings.data_dir)

    def run(self) -> None:
        """Start everything, watch it, and stop it on request. Raises DevstackError."""
        self._data.create()
        with self._data.locked(), Interrupts() as interrupts:
            self._data.stack.unlink(missing_ok=True)
            stopped = leftovers.stop(self._data.children)
            if stopped:
                self._report("devstack", f"stopped what an earlier start had left: {', '.join(stopped)}")
            supervisor = Supervisor(interrupts, self._report, self._data.children)
            try:
                self._bring_up(supervisor)
                supervisor.watch()
                self._report("devstack", "stopping")
            finally:
                self._data.stack.unlink(missing_ok=True)
                supervisor.stop_all()
            self._report("devstack", f"stopped; the data stays in {self._data.root}")

    def _bring_up(self, supervisor: Supervisor) -> None:
        secrets = Secrets(self._data.root / "secrets.json")
        addresses = self._addresses()
        backends = Backends(self._data, self._settings, secrets)
        backends.bring_up(supervisor, self._report)
        values = self._values(addresses, backends, secrets)
        self._migrate(supervisor, values)
        services = self._services(values)
        for name, address in addresses.by_name():  # again: another stack may have started meanwhile
            port = _port(name, address)
            ports.require_free(port["port"], name, port["port_setting"])
        supervisor.start(services)
        for service in services:
            began = time.monotonic()
            supervisor.wait_ready([service])
            pid = supervisor.pid(service.name)
            self._report(
                service.title, f"ready  {service.where}  pid {pid}, {time.monotonic() - began:.1f} s"
            )
        supervisor.changed = lambda: self._stack(values, backends, supervisor).write(self._data.stack)
        supervisor.changed()
        tour.show(f"http://{addresses.gateway}", values.jwt_secret, self._data.stack, self._caller)

    def _addresses(self) -> Addresses:
        """The three addresses. Raises PortTakenError before anything is started."""
        kept = ports.KeptPorts(self._data.ports)
        wanted = (
            (GATEWAY, self._settings.http_port),
            (STORAGE, self._settings.storage_port),
            (METADATA, self._settings.metadata_port),
        )
        found = {}
        for name, port in wanted:
            if port:
                ports.require_free(port, name, _PORT_SETTINGS[name])
            found[name] = f"{ports.HOST}:{port or kept.get(name)}"
        return Addresses(**found)

    def _values(self, addresses: Addresses, backends: Backends, secrets: Secrets) -> StackValues:
        foreign_keys = any(self._caller.get(name) for name in environment.FOREIGN_KEYS)
        return StackValues(
            addresses=addresses,
            owner_dsn=backends.database.owner_dsn,
            app_dsn=backends.database.app_dsn,
            s3=backends.store.entry([]),
            jwt_secret=None if foreign_keys else self._settings.jwt_secret or secrets.get("jwt_secret"),
            internal_secret=self._settings.internal_secret or secrets.get("internal_secret"),
            link_secret=self._settings.link_secret or secrets.get("link_secret"),
            embedded_database=self._settings.database_url is None,
            embedded_s3=self._settings.s3 is None,
            commit=this_build().commit,
            metrics=self._metrics(),
        )

    def _metrics(self) -> dict[str, str]:
        """Metrics ports of services with a process of their own; the gateway's are on its port."""
        if self._settings.form == "one":
            return {}
        kept = ports.KeptPorts(self._data.ports)
        return {name: f"{ports.HOST}:{kept.get(f'{name}_metrics')}" for name in (STORAGE, METADATA)}

    def _migrate(self, supervisor: Supervisor, values: StackValues) -> None:
        began = time.monotonic()
        command = self._command(MIGRATE, self._programs.migrate, values)
        supervisor.run_once(command, _MIGRATE_SECONDS)
        self._report("migrate", f"done  {time.monotonic() - began:.1f} s")

    def _services(self, values: StackValues) -> list[Service]:
        at = values.addresses
        url = f"http://{at.gateway}"
        if self._settings.form == "one":
            return [
                Service(
                    self._command(ALL, self._programs.all, values),
                    health.http_ok(f"{url}/readyz"),
                    url,
                    explain=health.readiness(f"{url}/readyz"),
                    title=GATEWAY,
                    **_port(GATEWAY, at.gateway),
                )
            ]
        metadata = self._command(METADATA, self._programs.metadata, values)
        storage = self._command(STORAGE, self._programs.storage, values)
        gateway = self._command(GATEWAY, self._programs.gateway, values)
        explain = health.readiness(f"{url}/readyz")
        return [
            Service(
                metadata,
                health.grpc_serving(at.metadata),
                at.metadata,
                title=METADATA,
                **_port(METADATA, at.metadata),
            ),
            Service(
                storage,
                health.grpc_serving(at.storage),
                at.storage,
                title=STORAGE,
                **_port(STORAGE, at.storage),
            ),
            Service(
                gateway,
                health.http_ok(f"{url}/readyz"),
                url,
                explain=explain,
                title=GATEWAY,
                **_port(GATEWAY, at.gateway),
            ),
        ]

    def _command(self, name: str, argv: tuple[str, ...], values: StackValues) -> Command:
        return Command(
            name=name,
            argv=argv,
            env=environment.for_service(name, self._caller, values),
            first_env=environment.failpoints(name, self._caller),
            cwd=_CHECKOUT,
            log=self._data.log(name),
            stop_seconds=self._settings.drain_seconds + _GRACE_SECONDS,
        )

    def _stack(self, values: StackValues, backends: Backends, supervisor: Supervisor) -> Stack:
        at = values.addresses
        one = supervisor.pid(ALL) if self._settings.form == "one" else None
        return Stack(
            gateway=GatewayEntry(f"http://{at.gateway}", one or supervisor.pid(GATEWAY)),
            storage=ServiceEntry(at.storage, one or supervisor.pid(STORAGE)),
            metadata=ServiceEntry(at.metadata, one or supervisor.pid(METADATA)),
            postgres=backends.postgres_entry(supervisor),
            s3=backends.s3_entry(supervisor),
            jwt_secret=values.jwt_secret or "",
            metrics=environment.metrics_urls(self._caller, values, one=self._settings.form == "one"),
        )


_PORT_SETTINGS = {
    GATEWAY: "STRONGROOM_HTTP_PORT",
    STORAGE: "STRONGROOM_STORAGE_PORT",
    METADATA: "STRONGROOM_METADATA_PORT",
}


def _port(name: str, address: str) -> _Port:
    return {"port": int(address.rpartition(":")[2]), "port_setting": _PORT_SETTINGS[name]}


def run(settings: Settings, report: Report, programs: Programs | None = None) -> None:
    """Run the whole stack in the foreground. Raises DevstackError."""
    StackRun(settings, dict(os.environ), report, programs or Programs()).run()
