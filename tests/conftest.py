"""Servers once per run, and databases that cost a copy instead of a migration."""

from __future__ import annotations

import functools
import gc
import importlib
import logging
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import structlog

from devstack import infra
from servicekit.telemetry import logs
from tests import scheduling, workers
from tests.databases import TEMPLATE, Logins, migrated_template
from tests.servers import Run, of_run
from tests.stack import PATIENCE

# A shell starts what it runs in the background deaf to interrupts, and so are its children born: those that
# tests interrupt would never end.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

gc.disable()  # while thousands of tests are collected, all of which stay: see pytest_collection_finish


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


# Reading the certificate authorities takes 27 ms of CPU, which each client of a test would spend anew, for
# nothing where it speaks no TLS.
vars(importlib.import_module("httpx._transports.default"))["create_ssl_context"] = functools.cache(
    httpx.create_ssl_context
)

# httpx gives up after five seconds, which on a machine that does much else is nothing.
for _phase in ("connect", "read", "write", "pool"):
    setattr(importlib.import_module("httpx._config").DEFAULT_TIMEOUT_CONFIG, _phase, PATIENCE)

# Nor is it a fault of a test that this machine makes its examples slowly, or takes long for one.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")

_run = pytest.StashKey[Run]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """For `make test` and `make durations`."""
    workers.add_option(parser)
    parser.addoption("--record-durations", action="store_true", help=f"write {scheduling.RECORD.name} anew")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers take what has been collected in its order."""
    if number := config.getoption("--workers"):
        scheduling.sort(items, number)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Let workers run the tests where that is asked for."""
    return workers.run_tests(session)


def pytest_collection_finish() -> None:
    """What has been collected, a million objects, need not be looked at whenever a test makes garbage."""
    gc.enable()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Of a whole run only: what did not run would be forgotten."""
    if config.getoption("--record-durations"):
        scheduling.record(terminalreporter.stats)


def pytest_configure(config: pytest.Config) -> None:
    """The process that was started, and not its workers, is the one whose end is the end of the servers."""
    config.stash[_run] = Run()


def pytest_unconfigure(config: pytest.Config) -> None:
    """After the last test of all workers."""
    if run := config.stash.get(_run, None):
        run.close()


@pytest.fixture(autouse=True, scope="module")
def _logs_as_they_were() -> Iterator[None]:
    """What a module makes of the logs of this process, as a service does that it runs here, is not the next
    one's.
    """
    root, configured, sink = logging.getLogger(), structlog.get_config(), logs.sink()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], logs._current_sink[0] = handlers, sink
    root.setLevel(level)
    structlog.configure(**configured)


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """What all processes of this run share."""
    return pytestconfig.stash[_run].folder


@pytest.fixture(scope="session")
def servers(run_folder: Path) -> infra.Infra:
    """Embedded Postgres and S3, of all processes of this run: use a database and a bucket of your own."""
    return of_run(run_folder)


@pytest.fixture(scope="session")
def empty_database(servers: infra.Infra) -> Logins:
    """The three logins of a database that nobody has migrated; for tests that make databases of their own."""
    return Logins(servers.postgres_superuser_dsn, servers.owner_dsn, servers.app_dsn)


@pytest.fixture(scope="session")
def database_template(servers: infra.Infra) -> Logins:
    """A migrated database without rows, to be copied; never to be connected to."""
    return migrated_template(servers)


@pytest.fixture
def database(empty_database: Logins, database_template: Logins) -> Iterator[Logins]:
    """A migrated database of this test's own."""
    made = empty_database.create(f"test_{uuid.uuid4().hex}", template=TEMPLATE)
    yield made
    made.drop()


@pytest.fixture(scope="module")
def module_database(empty_database: Logins, database_template: Logins) -> Iterator[Logins]:
    """A migrated database that the tests of a module share; each works with owners of its own."""
    made = empty_database.create(f"module_{uuid.uuid4().hex}", template=TEMPLATE)
    yield made
    made.drop()
