"""Databases for tests: made by copying a template, dropped afterwards."""

from __future__ import annotations

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
    """One database seen by its three logins: superuser, owner of the tables, metadata_service."""

    superuser: str
    owner: str
    app: str

    def create(self, name: str, template: str = "template0") -> Logins:
        """A new database on the same server, owned by the owner role."""
        with psycopg.connect(_named(self.superuser, "postgres"), autocommit=True) as connection:
            connection.execute(
                # Copied as files, not block by block through the log: a third of the work.
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY").format(
                    sql.Identifier(name), sql.Identifier(roles.OWNER), sql.Identifier(template)
                )
            )
        return self.at(name)

    def at(self, name: str) -> Logins:
        """Another database on the same server."""
        return Logins(*(_named(url, name) for url in (self.superuser, self.owner, self.app)))

    def exists(self) -> bool:
        """Whether the server has this database."""
        name = urlsplit(self.superuser).path.lstrip("/")
        with psycopg.connect(_named(self.superuser, "postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        return found is not None

    def drop(self) -> None:
        """Remove it, whoever is still connected."""
        parts = urlsplit(self.superuser)
        with psycopg.connect(_named(self.superuser, "postgres"), autocommit=True) as connection:
            name = sql.Identifier(parts.path.lstrip("/"))
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def migration_settings(self) -> MigrationSettings:
        """For `migrate`: the owner's login, and the service's as the one that gets the rights."""
        return MigrationSettings(
            database_url=SecretStr(self.app), migration_database_url=SecretStr(self.owner)
        )

    def rows(self, query: str, *params: object) -> list[tuple[Any, ...]]:
        """What the superuser sees: everything."""
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            return connection.execute(query, params).fetchall()

    def change(self, query: str, *params: object) -> int:
        """Change rows as superuser (time passes, a lease runs out); how many."""
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            return connection.execute(query, params).rowcount


TEMPLATE: Final = "metadata_template"


def migrated_template(servers: infra.Infra) -> Logins:
    """A migrated database without rows, to be copied: made by the first process that asks.

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
