"""Databases for tests: made by copying a template, dropped afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql
from pydantic import SecretStr

from devstack import roles
from metadata_service.config import MigrationSettings


@dataclass(frozen=True)
class Logins:
    """One database seen by its three logins: superuser, owner of the tables, metadata_service."""

    superuser: str
    owner: str
    app: str

    def create(self, name: str, template: str = "template0") -> Logins:
        """A new database on the same server, owned by the owner role."""
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(roles.OWNER), sql.Identifier(template)
                )
            )
        return Logins(*(_named(url, name) for url in (self.superuser, self.owner, self.app)))

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


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
