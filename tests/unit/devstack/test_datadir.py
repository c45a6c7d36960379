"""The data directory's lock, logs, secrets and private files."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from devstack import leftovers
from devstack.datadir import LEAST_FREE_BYTES, MIB, DataDir, Secrets
from devstack.errors import AlreadyRunningError, DevstackError
from devstack.stackfile import write_private_json


def made(folder: Path) -> DataDir:
    data = DataDir(folder)
    data.create()
    return data


def test_a_full_disk_is_told_of_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = SimpleNamespace(free=30 * MIB)
    monkeypatch.setattr("devstack.datadir.shutil.disk_usage", lambda _: free)
    with pytest.raises(DevstackError, match=r"only 30 MiB are free.*STRONGROOM_DATA_DIR"):
        DataDir(tmp_path).create()
    free.free = LEAST_FREE_BYTES
    DataDir(tmp_path).create()


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    data = made(tmp_path)
    assert data.supervisor_pid() is None
    with data.locked():
        assert data.supervisor_pid() == os.getpid()
        with pytest.raises(AlreadyRunningError, match=f"pid {os.getpid()}"), made(tmp_path).locked():
            raise AssertionError("two hold the directory")
    assert data.supervisor_pid() is None
    with data.locked():
        assert data.supervisor_pid() == os.getpid()


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = Secrets(path)
    secret = first.get("jwt_secret")
    assert len(secret) >= 43
    assert first.get("other") != secret
    assert Secrets(path).get("jwt_secret") == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_private_file_replaces_one_that_anybody_could_read(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    path.write_text("{}")
    path.chmod(0o644)
    write_private_json(path, {"a": 1})
    assert json.loads(path.read_text()) == {"a": 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["stack.json"]


def test_a_large_log_is_moved_aside(tmp_path: Path) -> None:
    data = made(tmp_path)
    with data.log("storage").open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    assert not data.log("storage").exists()
    assert (data.logs / "storage.log.1").stat().st_size == 17 * 1024 * 1024


def test_a_leftover_is_stopped_and_a_stranger_with_its_pid_is_not(tmp_path: Path) -> None:
    path = tmp_path / "children.json"
    argv = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(argv) as left, subprocess.Popen(argv) as stranger:
        leftovers.record(path, [("left", left.pid, 15), ("stranger", stranger.pid, 15)])
        rows = json.loads(path.read_text())
        rows[1][2] = "an earlier process with this pid"
        path.write_text(json.dumps(rows))
        assert leftovers.stop(path) == ["left"]
        assert left.wait(60) == -15
        assert stranger.poll() is None
        stranger.kill()
    assert not path.exists()


def test_a_leftover_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print('x', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as left:
        assert left.stdout is not None
        left.stdout.readline()
        leftovers.record(tmp_path / "children.json", [("left", left.pid, 15)])
        assert leftovers.stop(tmp_path / "children.json", seconds=0.3) == ["left"]
        assert left.wait(60) == -9
