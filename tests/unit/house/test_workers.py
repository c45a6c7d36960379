"""`make test` uses forks of the process that has collected the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.stack import CHECKOUT

_CONFTEST = """
from tests import workers

def pytest_addoption(parser):
    workers.add_option(parser)

def pytest_runtestloop(session):
    return workers.run_tests(session)
"""
_DIES = """
import os, signal
def test_before(): pass
def test_dies(): os.kill(os.getpid(), signal.SIGKILL)
def test_after(): pass
"""
_FAILS = """
import os, pytest
pids = []

@pytest.fixture(scope="session", autouse=True)
def noted(tmp_path_factory):
    yield
    (tmp_path_factory.getbasetemp().parent / f"ended-{os.getpid()}").touch()

@pytest.mark.parametrize("n", range(3))
def test_stays_on_one_worker(n, tmp_path):
    pids.append(os.getpid())
    assert len(set(pids)) == 1
    assert tmp_path.parent.name.startswith("worker-")

def test_fails():
    print("what it printed")
    assert "left" == "right"

@pytest.mark.timeout(0.2)
def test_takes_too_long():
    import threading
    threading.Event().wait(60)
"""


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    return subprocess.run(
        [*command, "--basetemp", str(folder / "temp"), *options, str(folder)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_every_test_is_reported_also_where_a_worker_dies(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "test_dies.py").write_text(_DIES)
    (tmp_path / "test_fails.py").write_text(_FAILS)
    done = run(tmp_path, "--workers", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 failed, 5 passed" in done.stdout
    assert "Failed: Timeout (>0.2s) from pytest-timeout" in done.stdout
    assert "test_dies.py::test_dies" in done.stdout
    assert "the worker ended in this test with -9" in done.stdout
    assert "assert 'left' == 'right'" in done.stdout
    assert done.stdout.count("Captured stdout call") == 1
    assert len(list((tmp_path / "temp").glob("ended-*"))) == 1


def test_the_first_failure_ends_the_run_where_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    for number in range(5):
        (tmp_path / f"test_{number}.py").write_text("def test_fails(): assert False\n")
    done = run(tmp_path, "--workers", "1", "--exitfirst")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "stopping after 1 failures" in done.stdout
    assert "1 failed" in done.stdout
