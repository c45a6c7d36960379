"""Postgres and S3 servers of the caller, with the interface of the embedded ones."""

from __future__ import annotations

import psycopg

from devstack import bucket, roles
from devstack.command import Service
from devstack.datadir import Secrets
from devstack.errors import DevstackError
from devstack.settings import ExternalS3
from devstack.stackfile import S3Entry


class ExternalPostgres:
    """The server of STRONGROOM_DATABASE_URL.

    With a URL of a superuser or a role with CREATEROLE, the two roles are created there, with random
    passwords kept in the data directory. With a plain owner's URL this login serves for both, as `warning`
    says.
    """

    def __init__(self, url: str, secrets: Secrets) -> None:
        self.superuser_dsn = url
        self.owner_dsn = url
        self.app_dsn = url
        self.warning = ""
        self._secrets = secrets

    def initialise(self) -> None:
        """Nothing: the server exists."""

    def services(self) -> list[Service]:
        """No processes."""
        return []

    def prepare(self) -> None:
        """Connect and choose the two logins. Raises DevstackError, which says what to do."""
        try:
            with psycopg.connect(self.superuser_dsn, autocommit=True, connect_timeout=10) as connection:
                self._settle(connection)
        except psycopg.Error as error:
            raise DevstackError(
                f"the server of STRONGROOM_DATABASE_URL cannot be used: {_one_line(error)}"
            ) from error

    def _settle(self, connection: psycopg.Connection) -> None:
        rights = roles.rights(connection)
        if rights.superuser or rights.create_role:
            self._make_roles(connection)
        elif rights.bypass_rls:
            raise DevstackError(
                f"the role {connection.info.user} of STRONGROOM_DATABASE_URL bypasses row-level security, so "
                "one user could see another's files: give a superuser, a CREATEROLE role, or a plain owner"
            )
        elif not _may_create(connection, connection.info.user):
            raise DevstackError(
                f"the role {connection.info.user} of STRONGROOM_DATABASE_URL may not create tables in "
                f"{connection.info.dbname}: give the owner of the database, a CREATEROLE role or a superuser"
            )
        else:
            self.warning = (
                f"{connection.info.user} both runs migrations and serves requests: "
                "give a CREATEROLE URL to have a role for each"
            )

    def _make_roles(self, connection: psycopg.Connection) -> None:
        owner, application = (self._secrets.get(f"external_{name}") for name in ("owner", "app"))
        roles.ensure_login(connection, roles.OWNER, owner)
        roles.ensure_login(connection, roles.APPLICATION, application)
        roles.grant_creation(connection, roles.OWNER)
        roles.grant_connection(connection, roles.APPLICATION)
        if not _may_create(connection, roles.OWNER):
            raise DevstackError(
                f"{connection.info.user} of STRONGROOM_DATABASE_URL may create roles but not let them "
                f"create tables in {connection.info.dbname}: make it the owner of that database"
            )
        self.owner_dsn = roles.with_login(self.superuser_dsn, roles.OWNER, owner)
        self.app_dsn = roles.with_login(self.superuser_dsn, roles.APPLICATION, application)


class ExternalStore:
    """The server of AWS_S3_ENDPOINT_URL and its bucket; neither is changed."""

    def __init__(self, settings: ExternalS3) -> None:
        self.warning = ""
        self._settings = settings

    def initialise(self) -> None:
        """Nothing: the server exists."""

    def services(self) -> list[Service]:
        """No processes."""
        return []

    def prepare(self) -> None:
        """Check that the bucket answers and keeps versions. Raises DevstackError, which says what to do."""
        self.warning = bucket.check_external(self._settings)

    def entry(self, pids: list[int]) -> S3Entry:
        """The `s3` part of stack.json."""
        s3 = self._settings
        return S3Entry(s3.endpoint, s3.bucket, s3.access_key, s3.secret_key, s3.region, pids)


def _may_create(connection: psycopg.Connection, role: str) -> bool:
    row = connection.execute(
        "SELECT has_database_privilege(%(role)s, current_database(), 'CREATE')"
        " AND has_schema_privilege(%(role)s, 'public', 'CREATE')",
        {"role": role},
    ).fetchone()
    return row is not None and bool(row[0])


def _one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
