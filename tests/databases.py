"""Databases for tests: copied from a template, dropped afterwards."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql
from pydantic import SecretStr

from devstack import infra, roles
from metadata_service.config import MigrationSettings
from metadata_service.db.migrate import migrate
from tests.servers import locked


@dataclass(frozen=True)
class Logins:
    """One database with three logins: superuser, owner of the tables, metadata_service."""

    superuser: str
    owner: str
    app: str

    def create(self, name: str, template: str = "template0") -> Logins:
        """Create a database on the same server, owned by the owner role."""
        _connections.close(_named(self.superuser, template))
        # copied as files instead of block by block through the log: a third of the work
        making = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(roles.OWNER), sql.Identifier(template)
        )
        _connections.ask(_named(self.superuser, "postgres"), making)
        return self.at(name)

    def at(self, name: str) -> Logins:
        """Another database on the same server."""
        return Logins(*(_named(url, name) for url in (self.superuser, self.owner, self.app)))

    def exists(self) -> bool:
        """Whether the server has this database."""
        name = urlsplit(self.superuser).path.lstrip("/")
        return bool(self.at("postgres").rows("SELECT 1 FROM pg_database WHERE datname = %s", name))

    def drop(self) -> None:
        """Drop it, even with open connections."""
        _connections.close(self.superuser)
        name = sql.Identifier(urlsplit(self.superuser).path.lstrip("/"))
        dropping = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name)
        _connections.ask(_named(self.superuser, "postgres"), dropping)

    def migration_settings(self) -> MigrationSettings:
        """Settings for `migrate`: the owner's login, and the service's, which gets the rights."""
        return MigrationSettings(
            database_url=SecretStr(self.app), migration_database_url=SecretStr(self.owner)
        )

    def rows(self, query: str, *params: object) -> list[tuple[Any, ...]]:
        """Rows as the superuser sees them: all of them."""
        return _connections.ask(self.superuser, query.encode(), params).fetchall()

    def change(self, query: str, *params: object) -> int:
        """Change rows as superuser (let time pass, end a lease). Returns how many."""
        return _connections.ask(self.superuser, query.encode(), params).rowcount


class _Connections:
    """Idle connections of this process, by URL: to open one costs many times more than most queries.

    Only for the most recently used databases, because each connection is a process of the server.
    """

    def __init__(self) -> None:
        self._idle: dict[str, list[psycopg.Connection[Any]]] = {}
        self._lock = threading.Lock()

    def ask(
        self, url: str, query: bytes | sql.Composed, params: Sequence[object] | None = None
    ) -> psycopg.Cursor[Any]:
        """Execute a statement; the caller has a connection of its own meanwhile."""
        while (kept := self._take(url)) is not None:
            try:
                return self._asked(kept, url, query, params)
            except psycopg.OperationalError:
                if not kept.closed:
                    raise  # otherwise the server has closed it since its last use
        # Prepare nothing: a statement may return other columns after the next migration.
        made = psycopg.connect(url, autocommit=True, prepare_threshold=None)
        return self._asked(made, url, query, params)

    def close(self, *urls: str) -> None:
        """Close connections to these databases; without any: all."""
        for url in urls or [*self._idle]:
            while (kept := self._take(url)) is not None:
                kept.close()

    def _asked(
        self,
        connection: psycopg.Connection[Any],
        url: str,
        query: bytes | sql.Composed,
        params: Sequence[object] | None,
    ) -> psycopg.Cursor[Any]:
        try:
            return connection.execute(query, params)
        finally:
            if not connection.closed:
                self._keep(url, connection)

    def _take(self, url: str) -> psycopg.Connection[Any] | None:
        with self._lock:
            idle = self._idle.get(url)
            return idle.pop() if idle else None

    def _keep(self, url: str, connection: psycopg.Connection[Any]) -> None:
        with self._lock:
            self._idle[url] = [*self._idle.pop(url, []), connection]
            forgotten = [one for old in [*self._idle][:-_KEPT] for one in self._idle.pop(old)]
        for one in forgotten:
            one.close()


_KEPT: Final = 3
_connections: Final = _Connections()
atexit.register(_connections.close)

TEMPLATE: Final = "metadata_template"


def migrated_template(servers: infra.Infra) -> Logins:
    """A migrated database without rows, to be copied: created by the first process that needs it.

    Nobody may connect to it, or copies would be refused.
    """
    anywhere = Logins(servers.postgres_superuser_dsn, servers.owner_dsn, servers.app_dsn)
    with locked(servers.data_dir / "template.lock"):
        template = anywhere.at(TEMPLATE)
        if not template.exists():
            raw = anywhere.create(f"{TEMPLATE}_raw")
            migrate(raw.migration_settings())
            anywhere.create(TEMPLATE, template=f"{TEMPLATE}_raw")
    return template


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
