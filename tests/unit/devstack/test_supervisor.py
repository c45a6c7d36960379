"""The supervisor, with one-line programs as children."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devstack.command import Command, Service
from devstack.errors import DevstackError, StartFailedError
from devstack.interrupts import Interrupts
from devstack.supervisor import Supervisor, describe_exit


class Stage:
    """A supervisor, its output, and a folder for its children."""

    def __init__(self, folder: Path, interrupts: Interrupts) -> None:
        self.folder = folder
        self.interrupts = interrupts
        self.said: list[str] = []
        self.supervisor = Supervisor(interrupts, self._hear, folder / "children.json")

    def _hear(self, title: str, text: str) -> None:
        self.said.append(f"{title} {text}")

    def command(self, script: str, **first_env: str) -> Command:
        return Command(
            name="child", argv=(sys.executable, "-c", script), env={}, first_env=first_env, cwd=self.folder,
            log=self.folder / "child.log", stop_seconds=0.5,
        )  # fmt: skip

    def service(self, script: str, **first_env: str) -> Service:
        ready = self.folder / "ready"
        return Service(
            self.command(script, **first_env), ready.exists, "here", title="child", ready_seconds=20
        )

    def watch_until(self, text: str) -> None:
        """Watch until a line with this text was said; the test's time limit ends it otherwise."""
        original = self._hear

        def hear(title: str, line: str) -> None:
            original(title, line)
            if text in line:
                self.interrupts.stops += 1

        self.supervisor._report = hear
        self.supervisor.watch()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Interrupts() as interrupts:
        made = Stage(tmp_path, interrupts)
        yield made
        made.supervisor.stop_all()


STEADY = "import time, pathlib; pathlib.Path('ready').touch(); time.sleep(600)"
CRASHES_ONCE = (
    "import os, sys, time, pathlib; 'FIRST' in os.environ and sys.exit(9);"
    "pathlib.Path('ready').touch(); time.sleep(600)"
)


def test_a_crashed_child_starts_again_without_what_was_for_its_first_life(stage: Stage) -> None:
    service = stage.service(CRASHES_ONCE, FIRST="1")
    changes: list[int] = []
    stage.supervisor.changed = lambda: changes.append(stage.supervisor.pid("child"))
    stage.supervisor.start([service])
    first = stage.supervisor.pid("child")
    stage.watch_until("ready again")
    assert any("exited with 9; starting it again" in line for line in stage.said)
    assert changes == [stage.supervisor.pid("child")]
    assert first not in changes


def test_a_child_that_keeps_crashing_waits_longer_each_time(stage: Stage) -> None:
    stage.supervisor.start([stage.service("raise SystemExit(1)")])
    stage.watch_until("again in 0.8 s")
    waits = [line.partition(" again in ")[2].partition(" (")[0] for line in stage.said]
    assert waits == ["0.2 s", "0.4 s", "0.8 s"]


def test_a_restart_that_is_not_possible_yet_is_tried_again(stage: Stage) -> None:
    tries: list[float] = []

    def before_start() -> None:
        tries.append(time.monotonic())
        if len(tries) == 2:
            raise DevstackError("something is in the way")

    service = stage.service(CRASHES_ONCE, FIRST="1")
    patient = Service(service.command, service.probe, "here", before_start=before_start, title="child")
    stage.supervisor.start([patient])
    stage.watch_until("ready again")
    assert len(tries) == 3
    assert any("cannot start yet: something is in the way" in line for line in stage.said)


def test_a_child_that_ends_before_it_is_ready_fails_the_start_with_its_words(stage: Stage) -> None:
    service = stage.service("import sys; sys.exit('no such table')")
    stage.supervisor.start([service])
    with pytest.raises(StartFailedError, match=r"child ended at once \(exited with 1\)(.|\n)*no such table"):
        stage.supervisor.wait_ready([service])


def test_a_child_that_is_never_ready_fails_the_start(stage: Stage) -> None:
    command = stage.command("import time; time.sleep(600)")
    service = Service(command, lambda: False, "here", explain=lambda: "it says 503", ready_seconds=0.3)
    stage.supervisor.start([service])
    with pytest.raises(StartFailedError, match="was not ready after 0 s it says 503"):
        stage.supervisor.wait_ready([service])


def test_a_slow_start_says_what_it_waits_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devstack.supervisor._SLOW_SECONDS", 0.2)
    command = stage.command("import time; time.sleep(600)")
    service = Service(
        command, lambda: bool(stage.said), "here", explain=lambda: "versioning: off", title="child"
    )
    stage.supervisor.start([service])
    stage.supervisor.wait_ready([service])
    assert stage.said == ["child is not ready yet: versioning: off"]


def test_a_command_that_takes_too_long_is_ended(stage: Stage) -> None:
    with pytest.raises(StartFailedError, match="did not end within"):
        stage.supervisor.run_once(stage.command("import time; time.sleep(600)"), 0.3)


def test_a_child_that_ignores_the_signal_is_killed_when_its_time_is_up(stage: Stage) -> None:
    deaf = "import signal; signal.signal(15, signal.SIG_IGN);" + STEADY
    service = stage.service(deaf)
    stage.supervisor.start([service])
    stage.supervisor.wait_ready([service])
    stage.supervisor.stop_all()
    assert stage.said == ["child did not stop in time and was killed"]
    assert not (stage.folder / "children.json").exists()


@pytest.mark.parametrize(("code", "text"), [(0, "exited with 0"), (-9, "killed by SIGKILL")])
def test_exit_codes_are_said_in_words(code: int, text: str) -> None:
    assert describe_exit(code) == text


LISTENS = (
    "import pathlib, socket, sys, time; s = socket.socket();"
    "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1);"
    "s.bind(('127.0.0.1', int(pathlib.Path('port').read_text()))); s.listen(); pathlib.Path('ready').touch();"
    "time.sleep(600)"
)


def _on(stage: Stage, port: int, script: str = LISTENS) -> Service:
    (stage.folder / "port").write_text(str(port))
    return replace(stage.service(script), port=port, port_setting="STRONGROOM_STORAGE_PORT", ready_seconds=2)


def test_a_strangers_answer_is_not_the_childs(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        (stage.folder / "ready").touch()  # a probe of the foreign process succeeds
        service = _on(stage, port, "import time; time.sleep(600)")
        stage.supervisor.start([service])
        with pytest.raises(StartFailedError, match=f"port {port} is taken by .*STRONGROOM_STORAGE_PORT"):
            stage.supervisor.wait_ready([service])


def test_a_child_that_finds_its_port_taken_is_told_of(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        service = _on(stage, stranger.getsockname()[1])
        (stage.folder / "ready").touch()
        stage.supervisor.start([service])
        with pytest.raises(StartFailedError, match="STRONGROOM_STORAGE_PORT"):
            stage.supervisor.wait_ready([service])


def test_a_child_that_never_gets_ready_again_is_given_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devstack.supervisor._FIRST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr("devstack.supervisor.MOST_FAILURES", 3)
    once = (
        "import os, sys, time, pathlib; p = pathlib.Path('ready'); 'FIRST' in os.environ or sys.exit(7);"
        "p.touch(); time.sleep(0.2); p.unlink(); sys.exit(7)"
    )
    service = stage.service(once, FIRST="1")
    stage.supervisor.start([service])
    stage.supervisor.wait_ready([service])
    with pytest.raises(StartFailedError, match="ended 3 times before it was ready"):
        stage.supervisor.watch()
