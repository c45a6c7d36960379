"""Servers once per pytest process, and databases that cost a copy instead of a migration."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import pytest
import structlog

from devstack import infra
from tests.databases import Logins

_TEMPLATE = "metadata_template"
_numbers = itertools.count(1)


def _is_of_this_loop(record: logging.LogRecord) -> bool:
    """Not what grpc.aio reports when it wakes the closed event loop of an earlier test of this process: it
    would land in the output of a command that a test runs in-process.
    """
    return "PollerCompletionQueue._handle_events" not in record.getMessage()


logging.getLogger("asyncio").addFilter(_is_of_this_loop)

# Where no process configures its logs, structlog would draw each traceback with the locals of all frames:
# seconds of CPU for every exception that a test provokes.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[infra.Infra]:
    """Embedded Postgres and S3 of this pytest process."""
    with infra.start(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture(scope="session")
def empty_database(servers: infra.Infra) -> Logins:
    """The three logins of a database that nobody has migrated; for tests that make databases of their own."""
    return Logins(servers.postgres_superuser_dsn, servers.owner_dsn, servers.app_dsn)


@pytest.fixture(scope="session")
def database_template(empty_database: Logins) -> Logins:
    """A migrated database without rows, to be copied."""
    from metadata_service.db.migrate import migrate

    template = empty_database.create(_TEMPLATE)
    migrate(template.migration_settings())
    return template


@pytest.fixture
def database(empty_database: Logins, database_template: Logins) -> Iterator[Logins]:
    """A migrated database of this test's own."""
    made = empty_database.create(f"test_{next(_numbers)}", template=_TEMPLATE)
    yield made
    made.drop()


@pytest.fixture(scope="module")
def module_database(empty_database: Logins, database_template: Logins) -> Iterator[Logins]:
    """A migrated database that the tests of a module share; each works with owners of its own."""
    made = empty_database.create(f"module_{next(_numbers)}", template=_TEMPLATE)
    yield made
    made.drop()
