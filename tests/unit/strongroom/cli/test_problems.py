"""Every failure has a line, an exit code and, where it helps, a hint."""

from __future__ import annotations

import asyncio

import pytest

from strongroom import errors
from strongroom.cli.problems import ExitCode, UsageProblem, explain
from strongroom.client.settings import ConfigurationError


@pytest.mark.parametrize("kind", errors.REASONS.values(), ids=lambda kind: kind.__name__)
def test_every_reason_can_be_explained(kind: type[errors.StrongroomError]) -> None:
    problem = explain(kind("what happened"))
    assert problem.code == kind("x").reason_name
    assert problem.message == "what happened"
    assert problem.exit_code not in {ExitCode.OK, ExitCode.USAGE, ExitCode.LOCAL_FILE}


def test_what_gives_hope_is_told() -> None:
    assert explain(errors.RateLimited("slow down", retry_after=4.2)).hint.startswith("try again in 4 s")
    archived = explain(errors.ObjectArchived("in an archive class", retry_after=3600.0))
    assert (archived.exit_code, "restored" in archived.hint) == (ExitCode.UNAVAILABLE, True)
    gone = errors.ServiceUnavailable("no answer")
    gone.transport_details = "connection refused: 127.0.0.1:1"
    gone.add_note("gRPC: connection refused: 127.0.0.1:1")
    assert "refused" not in explain(gone).hint
    assert explain(gone).message == "no answer (connection refused: 127.0.0.1:1)"
    assert "doctor" in explain(gone).hint


def test_notes_are_hints_and_request_ids_only_where_a_log_helps() -> None:
    once = errors.ServiceUnavailable("gone")
    once.add_note("request id: 1")
    once.add_note("not tried again: the source can't be read twice")
    assert "not tried again" in explain(once).hint
    assert "request id" not in explain(once).hint
    bug = errors.Internal("failed")
    bug.add_note("request id: 1")
    assert explain(bug).hint == "request id: 1"


@pytest.mark.parametrize(
    ("error", "code", "message", "exit_code"),
    [
        (UsageProblem("wrong"), "USAGE", "wrong", ExitCode.USAGE),
        (ValueError("wrong"), "USAGE", "wrong", ExitCode.USAGE),
        (ConfigurationError("no file"), "CONFIGURATION", "no file", ExitCode.USAGE),
        (FileNotFoundError(2, "No such file", "a"), "LOCAL_FILE", "a: No such file", ExitCode.LOCAL_FILE),
        (FileExistsError(17, "is there", "a"), "LOCAL_FILE", "a: is there", ExitCode.CONFLICT),
        (OSError("odd"), "LOCAL_FILE", "odd", ExitCode.LOCAL_FILE),
        (KeyboardInterrupt(), "INTERRUPTED", "interrupted", ExitCode.INTERRUPTED),
        (asyncio.CancelledError(), "INTERRUPTED", "interrupted", ExitCode.INTERRUPTED),
        (ZeroDivisionError("x"), "BUG", "ZeroDivisionError: x", ExitCode.FAILED),
    ],
)
def test_other_failures(error: BaseException, code: str, message: str, exit_code: ExitCode) -> None:
    problem = explain(error)
    assert (problem.code, problem.message, problem.exit_code) == (code, message, exit_code)


def test_bytes_that_are_no_text_are_told_as_they_are() -> None:
    with pytest.raises(UnicodeEncodeError) as refused:
        "a\udcff".encode()
    problem = explain(refused.value)
    assert (problem.message, problem.exit_code) == ("'a\\udcff' is not UTF-8", ExitCode.USAGE)
