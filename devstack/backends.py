"""Postgres and S3, each embedded or external, under one supervisor."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from devstack.command import Service
from devstack.datadir import DataDir, Secrets
from devstack.external import ExternalPostgres, ExternalStore
from devstack.ports import KeptPorts
from devstack.postgres import NAME as POSTGRES
from devstack.postgres import EmbeddedPostgres
from devstack.settings import Settings
from devstack.stackfile import PostgresEntry, S3Entry
from devstack.supervisor import Report, Supervisor
from devstack.swift import EmbeddedSwift


class Backend(Protocol):
    """A server that the services need: prepared on disk, started, then configured while it runs."""

    @property
    def warning(self) -> str:
        """One line for the terminal, known after `prepare`; or empty."""

    def initialise(self) -> None:
        """Create what must exist before the processes start."""

    def services(self) -> list[Service]:
        """The processes, in starting order; none when the server is external."""

    def prepare(self) -> None:
        """Create what needs a running server (roles, database, bucket). Does nothing the second time."""


class Database(Backend, Protocol):
    """A Postgres. `superuser_dsn` can read everything, if the server allows that."""

    @property
    def superuser_dsn(self) -> str: ...
    @property
    def owner_dsn(self) -> str: ...
    @property
    def app_dsn(self) -> str: ...


class ObjectStore(Backend, Protocol):
    """An S3 server with its bucket."""

    def entry(self, pids: list[int]) -> S3Entry: ...


class Backends:
    """The two backends of one data directory."""

    def __init__(self, data: DataDir, settings: Settings, secrets: Secrets) -> None:
        kept = KeptPorts(data.ports)
        self.database: Database = (
            ExternalPostgres(settings.database_url, secrets)
            if settings.database_url
            else EmbeddedPostgres(data, secrets, kept)
        )
        self.store: ObjectStore = (
            ExternalStore(settings.s3) if settings.s3 else EmbeddedSwift(data, secrets, kept)
        )

    def bring_up(self, supervisor: Supervisor, report: Report) -> None:
        """Start both and wait for them. Raises DevstackError."""
        began = time.monotonic()
        both: tuple[Backend, Backend] = (self.database, self.store)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda backend: backend.initialise(), both))
        for backend in both:
            supervisor.start(backend.services())
        for backend, title, where in zip(both, ("postgres", "s3"), self._places(), strict=True):
            supervisor.wait_ready(backend.services())
            backend.prepare()
            kind = "embedded" if backend.services() else "external"
            report(title, f"ready  {where}  {kind}, {time.monotonic() - began:.1f} s")
            if backend.warning:
                report(title, f"warning: {backend.warning}")

    def postgres_entry(self, supervisor: Supervisor) -> PostgresEntry:
        """The `postgres` part of stack.json."""
        pid = supervisor.pid(POSTGRES) if self.database.services() else 0
        return PostgresEntry(self.database.superuser_dsn, pid)

    def s3_entry(self, supervisor: Supervisor) -> S3Entry:
        """The `s3` part of stack.json."""
        return self.store.entry([supervisor.pid(service.name) for service in self.store.services()])

    def _places(self) -> tuple[str, str]:
        dsn = self.database.superuser_dsn
        return dsn.rpartition("@")[2], self.store.entry([]).endpoint
