"""How metadata_service exits if its database is not ready."""

from __future__ import annotations

from typing import NoReturn

import pytest

from metadata_service import __main__ as command
from metadata_service import bootstrap
from metadata_service.startup import NotReady


def test_a_database_that_is_not_ready_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(settings: object) -> NoReturn:
        raise NotReady("the database has no schema yet: run `python -m metadata_service migrate`")

    monkeypatch.setattr(command, "load_settings", lambda _: None)
    monkeypatch.setattr(bootstrap, "Application", refused)
    assert command.serve() == 1
    assert capsys.readouterr().err == (
        "the database has no schema yet: run `python -m metadata_service migrate`\n"
    )
