"""Roles and database of metadata_service, on any Postgres.

`strongroom_owner` owns the schema and runs migrations; metadata_service connects as `strongroom_app`. Neither
is a superuser or bypasses row-level security, and the application role owns nothing, so that FORCEd policies
apply to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

OWNER = "strongroom_owner"
APPLICATION = "strongroom_app"
DATABASE = "strongroom"


@dataclass(frozen=True)
class RoleRights:
    """The rights of a role in pg_roles."""

    superuser: bool
    bypass_rls: bool
    create_role: bool


def with_login(url: str, user: str, password: str) -> str:
    """The URL with another login."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))


def rights(connection: psycopg.Connection) -> RoleRights:
    """The rights of the connected role."""
    row = connection.execute(
        "SELECT rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    if row is None:
        raise psycopg.DataError("the connected role is not in pg_roles")
    return RoleRights(*row)


def ensure_login(connection: psycopg.Connection, name: str, password: str) -> None:
    """Create the login role, or give an existing one this password. It never gets special rights."""
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    verb = sql.SQL("ALTER" if known else "CREATE")
    # Named only at creation: to alter them takes rights that a CREATEROLE user may not have.
    plain = sql.SQL("" if known else "NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION")
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN {} PASSWORD {}").format(
            verb, sql.Identifier(name), plain, sql.Literal(password)
        )
    )


def ensure_database(connection: psycopg.Connection, name: str, owner: str) -> None:
    """Create the database, owned by `owner`, unless it exists. Needs a connection in autocommit mode."""
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
        )


def grant_creation(connection: psycopg.Connection, owner: str) -> None:
    """Let `owner` create schemas and tables in the connected database, which has another owner."""
    database = connection.info.dbname
    role = sql.Identifier(owner)
    connection.execute(
        sql.SQL("GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {} TO {}").format(
            sql.Identifier(database), role
        )
    )
    connection.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(role))


def grant_connection(connection: psycopg.Connection, role: str) -> None:
    """Let `role` connect to the connected database and use its public schema."""
    connection.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
            sql.Identifier(connection.info.dbname), sql.Identifier(role)
        )
    )
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(sql.Identifier(role)))
