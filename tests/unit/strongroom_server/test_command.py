"""How a process with all services exits if it can't start."""

from __future__ import annotations

import json

import pytest

from metadata_service.startup import NotReady
from servicekit.settings import SettingError
from servicekit.telemetry.logs import configure_logging
from strongroom_server import command, process

DSN = "postgresql://app:hunter2@db"


@pytest.mark.parametrize(
    ("error", "exit_code", "said"),
    [
        (SettingError("STRONGROOM_X", "is wrong"), 2, "setting STRONGROOM_X: is wrong"),
        (NotReady("the tables are not there yet"), 1, "the tables are not there yet"),
    ],
)
def test_a_refusal_is_one_line(
    error: Exception,
    exit_code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _ends_with(error, monkeypatch) == exit_code
    assert capsys.readouterr().err == f"{said}\n"


def test_a_bug_is_a_line_of_the_log_without_credentials(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ends_with(RuntimeError(f"no idea what {DSN} wants"), monkeypatch) == 1
    told = capsys.readouterr().err
    (line,) = told.splitlines()
    assert json.loads(line)["event"] == "the process failed"
    assert "postgresql://***@db" in line
    assert "hunter2" not in told


def _ends_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> int:
    async def serve(*_: object) -> int:
        configure_logging("strongroom")
        raise error

    monkeypatch.setattr(process, "serve", serve)
    return command.main(["serve", "--workers", "1"])
