from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts import install


class Programs:
    """Stands in for ``subprocess.run``: records the started commands, and sets how each ends."""

    def __init__(self, *, uv: int, index: str = "", pip: int = 0) -> None:
        self.started: list[tuple[list[str], dict[str, str] | None]] = []
        self._uv, self._index, self._pip = uv, index, pip

    def run(
        self, command: list[str], env: dict[str, str] | None = None, **_: object
    ) -> subprocess.CompletedProcess[str]:
        self.started.append((command, env))
        if "config" in command:
            return subprocess.CompletedProcess(command, int(not self._index), self._index, "")
        if command[1:3] == ["pip", "install"]:
            return subprocess.CompletedProcess(command, self._uv, "", "a hint\nno such index")
        return subprocess.CompletedProcess(command, self._pip, "", "")

    def installers(self) -> list[list[str]]:
        return [command for command, _ in self.started if "config" not in command]


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    found = Programs(uv=0)
    monkeypatch.setattr(subprocess, "run", lambda *args, **options: found.run(*args, **options))
    return found


def test_uv_alone_does_it(programs: Programs) -> None:
    assert install.main(["--require-hashes", "-r", "all.txt"]) == 0
    uv = str(Path(sys.executable).with_name("uv"))
    wanted = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        sys.executable,
        "--require-hashes",
        "-r",
        "all.txt",
    ]
    assert programs.installers() == [wanted]
    assert programs.started[-1][1] is None


def test_pip_does_what_uv_can_not(programs: Programs, capsys: pytest.CaptureFixture[str]) -> None:
    programs._uv, programs._pip = 2, 1
    assert install.main(["--into", "/there/python", "x"]) == 1
    uv, pip = programs.installers()
    assert uv[-2:] == ["/there/python", "x"]
    assert (pip[1:6], pip[-1]) == (["-m", "pip", "--python", "/there/python", "install"], "x")
    assert capsys.readouterr().out == "uv could not install (no such index); pip does it\n"


def test_packages_come_from_where_pip_gets_them(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    programs._index = "https://mirror.example/simple\n"
    assert install.main(["x"]) == 0
    environ = programs.started[-1][1]
    assert environ is not None
    assert environ["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://other.example/simple")
    assert install.main(["x"]) == 0
    environ = programs.started[-1][1]
    assert environ is not None
    assert environ["UV_DEFAULT_INDEX"] == "https://other.example/simple"
