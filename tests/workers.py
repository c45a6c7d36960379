"""``pytest --workers N``: tests are collected once and then run by N forks of the collecting process.

Collecting takes half a minute of CPU, which started (instead of forked) workers would each spend again. A
fork requests one scope of tests after the other (``scheduling.scope_of``), runs it, and sends pytest's
reports. If it dies, the test it was running fails, and another fork takes the rest of its scope.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Final, NoReturn, cast

import pytest
from _pytest._io import TerminalWriter
from _pytest.tmpdir import TempPathFactory

from tests.scheduling import scope_of

Scope = list[int]
"""Tests that stay together, as positions in ``session.items``."""

_PR_SET_PDEATHSIG: Final = 1


@dataclass
class _Worker:
    """A fork, as seen by the collecting process: the tests it has not begun, and those it has."""

    pid: int
    connection: Connection
    left: Scope = field(default_factory=list)
    running: int | None = None

    def fileno(self) -> int:
        """For ``multiprocessing.connection.wait``."""
        return self.connection.fileno()


def add_option(parser: pytest.Parser) -> None:
    """``--workers``."""
    parser.addoption("--workers", type=int, default=0, help="how many processes run the tests at once")


def run_tests(session: pytest.Session) -> bool | None:
    """A ``pytest_runtestloop``; None if no workers are requested."""
    number: int = session.config.getoption("--workers")
    if not number or session.config.option.collectonly or session.testsfailed:
        return None
    Workers(session, number).run()
    return True


class Workers:
    """Runs a session's tests, begun in the session's order."""

    def __init__(self, session: pytest.Session, number: int) -> None:
        self._session = session
        self._config = session.config
        self._scopes = _scopes(session.items)
        self._number = min(number, len(self._scopes))
        self._living: list[_Worker] = []
        self._started = 0

    def run(self) -> None:
        """Run until every test is reported. Raises Failed or Interrupted if ``--maxfail`` or a plugin
        requests it.
        """
        _temporary(self._config).getbasetemp()  # once, before several processes create it
        try:
            for _ in range(self._number):
                self._fork()
            while self._living:
                for ready in wait([worker.connection for worker in self._living]):
                    self._hear(next(worker for worker in self._living if worker.connection is ready))
        except BaseException:
            self._interrupt()
            raise
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)

    def _fork(self) -> None:
        ours, theirs = Pipe()
        parent = os.getpid()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # for programs that run on eventlet
            pid = os.fork()
        if pid == 0:
            for other in self._living:
                other.connection.close()
            ours.close()
            try:
                _work(self._session, theirs, parent, self._started)
            except BaseException:  # noqa: BLE001 - a fork must never continue as the parent
                traceback.print_exc()
            finally:
                os._exit(70)
        theirs.close()
        self._started += 1
        self._living.append(_Worker(pid, ours))

    def _hear(self, worker: _Worker) -> None:
        try:
            kind, content = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            self._bury(worker)
            return
        if kind == "report":
            self._report(content)
        elif kind == "error":
            raise RuntimeError(f"a worker failed outside of a test:\n{content}")
        elif kind == "begin":
            worker.running = worker.left.pop(0)
        elif kind == "stop":
            worker.running, worker.left = None, []
        else:  # "next"
            stopping = self._session.shouldfail or self._session.shouldstop
            worker.running = None
            worker.left = self._scopes.pop(0) if self._scopes and not stopping else []
            with suppress(BrokenPipeError):  # it has just died, which the end of its messages shows
                worker.connection.send(worker.left)

    def _report(self, content: dict[str, Any]) -> None:
        hook = self._config.hook
        report = hook.pytest_report_from_serializable(config=self._config, data=content)
        hook.pytest_runtest_logreport(report=report)
        if report.when == "teardown":
            hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)

    def _bury(self, worker: _Worker) -> None:
        """Report the test it was running as failed; give the tests it has not begun to others."""
        _, status = os.waitpid(worker.pid, 0)
        worker.connection.close()
        self._living.remove(worker)
        code = os.waitstatus_to_exitcode(status)
        if worker.running is not None:
            item = self._session.items[worker.running]
            told = f"the worker ended in this test with {code}"
            self._config.hook.pytest_runtest_logreport(
                report=pytest.TestReport(item.nodeid, item.location, {}, "failed", told, "call")
            )
        elif code:
            raise RuntimeError(f"a worker ended between tests with {code}")
        if worker.left:
            self._scopes.insert(0, worker.left)
        if self._scopes and code:
            self._fork()

    def _interrupt(self) -> None:
        """Let the workers finish what they have begun, and wait."""
        for worker in self._living:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGINT)
        for worker in self._living:
            os.waitpid(worker.pid, 0)


class _Sender:
    """Sends a worker's reports; its own output is dropped."""

    def __init__(self, config: pytest.Config, connection: Connection) -> None:
        self._config = config
        self._connection = connection

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Send a report to the terminal of the collecting process."""
        content = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._connection.send(("report", content))


def _scopes(items: Sequence[pytest.Item]) -> list[Scope]:
    """Consecutive tests of one scope, in order."""
    places = range(len(items))
    return [list(scope) for _, scope in groupby(places, key=lambda place: scope_of(items[place].nodeid))]


def _work(session: pytest.Session, connection: Connection, parent: int, number: int) -> NoReturn:
    """Be a worker until nothing is left to do."""
    try:
        # Ctrl-C goes to the parent, which passes it on; received twice, it would interrupt the cleanup.
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        _make_own(session.config, connection, number)
        _run_scopes(session, connection)
    except KeyboardInterrupt:
        _tear_down(session)
    except BaseException:  # noqa: BLE001 - the parent reports it, whatever it is
        connection.send(("error", traceback.format_exc()))
    os._exit(0)


def _make_own(config: pytest.Config, connection: Connection, number: int) -> None:
    """Replace what forks must not share: captured output, the terminal, the temporary folder."""
    plugins = config.pluginmanager
    plugins.unregister(name="terminalreporter")
    plugins.register(_Terminal(), name="terminalreporter")
    plugins.register(_Sender(config, connection))
    if capture := plugins.getplugin("capturemanager"):
        capture.stop_global_capturing()
        capture.start_global_capturing()
    factory = _temporary(config)
    factory._basetemp = factory.getbasetemp() / f"worker-{number}"
    factory._basetemp.mkdir(mode=0o700)


class _Terminal:
    """Where pytest-timeout writes the stacks of a slow test; it fails without a terminal."""

    @property
    def _tw(self) -> TerminalWriter:
        return TerminalWriter(sys.stderr)  # the stream currently captured


def _temporary(config: pytest.Config) -> TempPathFactory:
    """The temporary folder, and the factory for folders in it."""
    factory: TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined]
    return factory


def _run_scopes(session: pytest.Session, connection: Connection) -> None:
    while True:
        connection.send(("next", None))
        places: Scope = connection.recv()
        if not places:
            return _tear_down(session)
        following = [*(session.items[place] for place in places[1:]), cast("pytest.Item", session)]
        for place, after in zip(places, following, strict=True):
            connection.send(("begin", None))
            item = session.items[place]
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            if session.shouldfail or session.shouldstop:
                connection.send(("stop", None))
                return _tear_down(session)


def _tear_down(session: pytest.Session) -> None:
    """Tear down session fixtures; those of a scope end with it."""
    session._setupstate.teardown_exact(None)
