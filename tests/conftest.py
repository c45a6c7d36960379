"""Servers shared by a run, and databases that are copied instead of migrated."""

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
from tests.forks import programs
from tests.servers import Run, of_run
from tests.stack import PATIENCE

# A shell starts background jobs with SIGINT ignored, which children inherit: processes that tests interrupt
# would never end.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

gc.disable()  # off while thousands of tests, all of which stay, are collected: see pytest_collection_finish


def _is_of_this_loop(record: logging.LogRecord) -> bool:
    """Drop grpc.aio's report about waking the closed event loop of an earlier test of this process: it would
    appear in the output of a command that a test runs in-process.
    """
    return "PollerCompletionQueue._handle_events" not in record.getMessage()


logging.getLogger("asyncio").addFilter(_is_of_this_loop)

# If no process configures its logs, structlog renders each traceback with the locals of all frames: seconds
# of CPU for every exception that a test provokes.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


# Reading the certificate authorities takes 27 ms of CPU for each client of a test, even one without TLS.
vars(importlib.import_module("httpx._transports.default"))["create_ssl_context"] = functools.cache(
    httpx.create_ssl_context
)

# httpx's default of five seconds is too short on a busy machine.
for _phase in ("connect", "read", "write", "pool"):
    setattr(importlib.import_module("httpx._config").DEFAULT_TIMEOUT_CONFIG, _phase, PATIENCE)

# On a busy machine generating examples, or running one, may take long without being a fault.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")

_run = pytest.StashKey[Run]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options for `make test` and `make durations`."""
    workers.add_option(parser)
    parser.addoption("--record-durations", action="store_true", help=f"write {scheduling.RECORD.name} anew")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests: workers take them in this order."""
    if number := config.getoption("--workers"):
        scheduling.sort(items, number)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Let workers run the tests if requested."""
    return workers.run_tests(session)


def pytest_collection_finish() -> None:
    """Exempt the collected objects, a million, from garbage collection."""
    gc.enable()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Record durations of a whole run only; otherwise tests that did not run would be forgotten."""
    if config.getoption("--record-durations"):
        scheduling.record(terminalreporter.stats)


def pytest_configure(config: pytest.Config) -> None:
    """The process that was started, not its workers, ends the servers."""
    config.stash[_run] = Run()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Runs after the last test of all workers."""
    if run := config.stash.get(_run, None):
        run.close()


@pytest.fixture(autouse=True, scope="module")
def _logs_as_they_were() -> Iterator[None]:
    """Restore the log configuration after a module that runs a service in this process."""
    root, configured, sink = logging.getLogger(), structlog.get_config(), logs.sink()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], logs._current_sink[0] = handlers, sink
    root.setLevel(level)
    structlog.configure(**configured)


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """A folder shared by all processes of the run."""
    return pytestconfig.stash[_run].folder


@pytest.fixture(scope="module")
def forking(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Lets the tests of a module start programs as forks, with ``tests.forks.programs``."""
    with programs.forking(run_folder, tmp_path_factory.mktemp("printed")):
        yield


@pytest.fixture(scope="session")
def servers(run_folder: Path) -> infra.Infra:
    """Embedded Postgres and S3, shared by all processes of the run: use your own database and bucket."""
    return of_run(run_folder)


@pytest.fixture(scope="session")
def empty_database(servers: infra.Infra) -> Logins:
    """The three logins of a database without migrations, for tests that create databases."""
    return Logins(servers.postgres_superuser_dsn, servers.owner_dsn, servers.app_dsn)


@pytest.fixture(scope="session")
def database_template(servers: infra.Infra) -> Logins:
    """A migrated database without rows, to be copied; never connect to it."""
    return migrated_template(servers)


@pytest.fixture
def database(empty_database: Logins, database_template: Logins) -> Iterator[Logins]:
    """A migrated database for this test."""
    made = empty_database.create(f"test_{uuid.uuid4().hex}", template=TEMPLATE)
    yield made
    made.drop()


@pytest.fixture(scope="module")
def module_database(empty_database: Logins, database_template: Logins) -> Iterator[Logins]:
    """A migrated database shared by the tests of a module; each uses its own owners."""
    made = empty_database.create(f"module_{uuid.uuid4().hex}", template=TEMPLATE)
    yield made
    made.drop()
