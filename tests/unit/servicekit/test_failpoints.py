"""Failpoints in real processes: each kind (die, stop, sleep, fail), and when it acts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from servicekit import failpoints
from strongroom.errors import ObjectStoreUnavailable, QuotaExceeded

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import asyncio, sys
from servicekit import failpoints
failpoints.register("one"); failpoints.register("two.after-put")
failpoints.check()
print("ready", flush=True)
async def main():
    for turn in range(3):
        if "sync" in sys.argv:
            failpoints.hit_sync("one")
        else:
            await failpoints.hit("one")
        print("turn", turn, flush=True)
    await failpoints.hit("two.after-put")
    print("done", flush=True)
asyncio.run(main())
"""


def start(spec: str | None, *arguments: str) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    environ.pop(failpoints.VARIABLE, None)
    if spec is not None:
        environ[failpoints.VARIABLE] = spec
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ran(spec: str | None, *arguments: str) -> tuple[int, list[str], str]:
    with start(spec, *arguments) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out.split("\n")[:-1], err


@pytest.mark.parametrize("spec", [None, "", " ; "])
def test_inert_unless_set(spec: str | None) -> None:
    assert ran(spec) == (0, ["ready", "turn 0", "turn 1", "turn 2", "done"], "")


@pytest.mark.parametrize("how", ["async", "sync"])
@pytest.mark.parametrize(
    ("spec", "turns"), [("one=kill", 0), ("one=kill@1", 0), ("one=kill@3", 2), ("two.after-put=kill", 3)]
)
def test_kill_is_sigkill_at_the_nth_hit(spec: str, turns: int, how: str) -> None:
    code, lines, _ = ran(spec, how)
    assert code == -signal.SIGKILL
    assert len(lines) == 1 + turns


def test_a_hit_that_never_comes() -> None:
    assert ran("one=kill@4")[0] == 0


def test_exit_code() -> None:
    code, lines, _ = ran("one=exit(7)@2;two.after-put=kill")
    assert (code, lines) == (7, ["ready", "turn 0"])


def test_stop_and_go_on() -> None:
    with start("one=stop@2") as process:
        deadline = time.monotonic() + 60
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.endswith("done\n")


@pytest.mark.parametrize("how", ["async", "sync"])
def test_sleep(how: str) -> None:
    started = time.monotonic()
    assert ran("one=sleep(0.4)", how)[0] == 0
    assert time.monotonic() - started > 1.2


def test_error_with_a_reason() -> None:
    code, _, err = ran("one=error(QUOTA_EXCEEDED)@2")
    assert code == 1
    assert "QuotaExceeded" in err


@pytest.mark.parametrize(
    "spec",
    [
        "one",
        "one=",
        "one=explode",
        "one=kill()",
        "one=kill(1)",
        "one=sleep",
        "one=sleep(x)",
        "one=sleep(-1)",
        "one=exit",
        "one=exit(1000)",
        "one=error(NO_SUCH_REASON)",
        "one=error(UNSPECIFIED)",
        "one=kill@0",
        "one=kill@x",
        "one=kill@2@3",
        "one two=kill",
        "one=kill,two=kill",
    ],
)
def test_what_cannot_be_read_stops_the_start(
    spec: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(failpoints.VARIABLE, spec)
    failpoints.reset()
    with pytest.raises(SystemExit) as caught:
        failpoints.check()
    failpoints.reset()
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("STRONGROOM_FAILPOINTS: can't read ")


def test_names_of_other_processes_are_only_warned_about() -> None:
    code, lines, err = ran("elsewhere=kill;one=sleep(0)")
    assert (code, lines[-1]) == (0, "done")
    assert err == "STRONGROOM_FAILPOINTS: no failpoint 'elsewhere' in this process\n"


async def test_each_hit_fails_without_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    name = failpoints.register("test.each")
    assert name in failpoints.registered()
    monkeypatch.setenv(failpoints.VARIABLE, f"{name}=error(OBJECT_STORE_UNAVAILABLE)")
    failpoints.reset()
    for _ in range(3):
        with pytest.raises(ObjectStoreUnavailable):
            await failpoints.hit(name)
    with pytest.raises(ObjectStoreUnavailable):
        failpoints.hit_sync(name)
    monkeypatch.setenv(failpoints.VARIABLE, f"{name}=error(QUOTA_EXCEEDED)@2")
    failpoints.reset()
    await failpoints.hit(name)
    with pytest.raises(QuotaExceeded):
        failpoints.hit_sync(name)
    await failpoints.hit(name)
    monkeypatch.delenv(failpoints.VARIABLE)
    failpoints.reset()
    await failpoints.hit(name)
