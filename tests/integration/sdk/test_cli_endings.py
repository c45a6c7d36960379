"""Exit codes, hints, progress bars, pipes and interrupts."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strongroom import errors
from tests.integration.sdk.fakes.server import Fakes
from tests.integration.sdk.fakes.state import Fault, State, token
from tests.integration.sdk.shell import Shell

MIB = 1024 * 1024
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (errors.FileNotFound("There is no such file."), 3),
        (errors.TokenExpired("The token has expired."), 4),
        (errors.PermissionDenied("You may not."), 4),
        (errors.QuotaExceeded("Your quota is used up."), 5),
        (errors.ContentTypeMismatch("These are not PNG bytes."), 5),
        (errors.InvalidField("path is too long", field="path"), 5),
        (errors.PreconditionFailed("Another generation."), 6),
        (errors.AlreadyExists("The name is taken."), 6),
        (errors.BucketMissing("The bucket does not exist."), 7),
        (errors.ChecksumMismatch("The bytes are damaged."), 8),
        (errors.Internal("The service failed."), 1),
    ],
    ids=lambda value: getattr(value, "reason_name", value),
)
def test_every_kind_of_failure_has_its_exit_code(
    error: errors.StrongroomError, exit_code: int, shell: Shell, state: State
) -> None:
    state.upload_faults = [Fault(error)] * 2
    done = shell("put", "-", stdin=b"x")
    assert done.exit_code == exit_code
    assert done.out == ""
    first, *hints = done.err.splitlines()
    assert first == f"strongroom: -: {error.message}"
    assert all(hint.startswith("  hint: ") for hint in hints)
    done = shell("put", "-", "--json", stdin=b"x")
    told = json.loads(done.err)["error"]
    assert (told["code"], told["message"], told["subject"]) == (error.reason_name, error.message, "-")


def test_services_that_do_not_run_are_told_with_their_address(unset: dict[str, str]) -> None:
    done = Shell(unset)("usage", "--metadata-address", "127.0.0.1:1", "--token", "t")
    assert done.exit_code == 7
    assert "127.0.0.1:1" in done.err
    assert "strongroom doctor" in done.err


def test_attempts_are_told_while_they_go_on(shell: Shell, state: State) -> None:
    state.upload_faults = [Fault(errors.Overloaded("Too much to do.", retry_after=0.01)), None] * 2
    done = shell("put", "-", stdin=b"x")
    assert (done.exit_code, len(done.lines)) == (0, 1)
    assert done.err.startswith("Too much to do; trying again in 0.")
    assert shell("put", "-", "-q", stdin=b"x").err == ""


def test_one_reason_to_wait_is_told_once(shell: Shell, state: State) -> None:
    busy, down = errors.Overloaded("Too much to do.", retry_after=0.01), errors.DatabaseUnavailable("Down.")
    state.upload_faults = [Fault(error) for error in (busy, busy, busy, down, down)]
    done = shell("put", "-", stdin=b"x")
    assert done.exit_code == 0
    assert [line.partition(";")[0] for line in done.err.splitlines()] == ["Too much to do", "Down"]


def test_retries_and_timeout_bound_the_waiting(shell: Shell, state: State) -> None:
    busy = Fault(errors.Overloaded("Too much to do.", retry_after=0.01))
    for options, tries in ((("--retries", "0"), 1), (("--retries", "2"), 3)):
        state.upload_faults = [busy] * 9
        assert shell("put", "-", *options, stdin=b"x").exit_code == 7
        assert len(state.upload_faults) == 9 - tries
    state.upload_faults = [Fault(errors.Overloaded("Too much to do.", retry_after=3600))] * 2
    done = shell("put", "-", "--timeout", "5", stdin=b"x")
    assert (done.exit_code, len(state.upload_faults)) == (7, 1)


def test_a_rate_is_waited_for_and_told_in_one_sentence(shell: Shell, state: State) -> None:
    many = "Too many: at most 1000 requests a second, 2000 at once. Try again in 1 s."
    soon = Fault(errors.RateLimited(many, retry_after=0.01, metadata={"limit": "user_requests"}))
    state.upload_faults, state.unary_faults = [soon, soon], [soon, soon]
    assert shell("put", "-", "-q", stdin=b"x").exit_code == 0
    assert shell("ls", "-q").exit_code == 0
    assert (state.upload_faults, state.unary_faults) == ([], [])
    late = Fault(errors.RateLimited(many, retry_after=3600, metadata={"limit": "user_requests"}))
    for faults, command in ((state.upload_faults, ("put", "-")), (state.unary_faults, ("ls",))):
        faults.extend([late] * 2)
        done = shell(*command, "--timeout", "5", stdin=b"x")
        assert done.exit_code != 0
        assert len(faults) == 1, "an hour is not waited for, and nothing is sent again before"
        assert many in done.err
        assert "Traceback" not in done.err
        faults.clear()


def test_shared_options_may_stand_before_the_command(shell: Shell, state: State) -> None:
    done = shell("--json", "--timeout", "20", "usage")
    assert done.exit_code == 0
    assert isinstance(done.documents[0], dict)
    state.upload_faults = [Fault(errors.Overloaded("Too much to do.", retry_after=0.01))] * 9
    assert shell("--retries", "5", "put", "-", "--retries", "0", stdin=b"x").exit_code == 7
    assert len(state.upload_faults) == 8, "what stands behind the command counts"
    assert shell("--as", "alice", "--token", "", "ls").exit_code == 0


def test_without_a_token_the_hint_says_where_to_get_one(shell: Shell) -> None:
    done = Shell({**shell.environ, "STRONGROOM_TOKEN": ""})("usage")
    assert done.exit_code == 4
    assert "strongroom token --sub NAME" in done.err


def test_a_bug_is_told_in_one_line_and_with_its_stack_on_demand(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("unexpected")

    monkeypatch.setattr("strongroom.client.file_calls.FileCalls.usage", fail)
    done = shell("usage")
    assert done.exit_code == 1
    assert "Traceback" not in done.err
    assert "ZeroDivisionError: unexpected" in done.err
    assert "Traceback" in shell("usage", "--debug").err


def environment(fakes: Fakes, unset: dict[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        **unset,
        "STRONGROOM_STORAGE_ADDRESS": fakes.storage_address,
        "STRONGROOM_METADATA_ADDRESS": fakes.metadata_address,
        "STRONGROOM_TOKEN": token(),
        "PYTHONWARNINGS": "error",
        "TERM": "xterm",
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "strongroom.cli", *arguments]


def wait_for_upload(state: State) -> None:
    deadline = time.monotonic() + 60
    while "Upload" not in state.calls and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "Upload" in state.calls


def test_an_interrupt_ends_a_put_of_an_open_pipe_and_stores_nothing(
    fakes: Fakes, unset: dict[str, str]
) -> None:
    with subprocess.Popen(
        command("put", "-"),
        cwd=ROOT,
        env=environment(fakes, unset),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"x" * 3 * MIB)
        process.stdin.flush()
        wait_for_upload(fakes.state)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stdout is not None
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"strongroom: interrupted\n")
    assert fakes.state.stored == {}


def test_a_reader_that_goes_away_is_no_failure_worth_words(
    fakes: Fakes, unset: dict[str, str], shell: Shell
) -> None:
    shell("put", "-", "--path", "a", stdin=bytes(4 * MIB))
    with subprocess.Popen(
        command("get", "paths/alice/a", "-"),
        cwd=ROOT,
        env=environment(fakes, unset),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10) == bytes(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


def test_standard_output_by_its_path_gets_the_bytes_alone(
    fakes: Fakes, unset: dict[str, str], shell: Shell
) -> None:
    shell("put", "-", "--path", "a", stdin=b"abc")
    done = subprocess.run(
        command("get", "paths/alice/a", "/dev/stdout"),
        cwd=ROOT,
        env=environment(fakes, unset),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"abc")


def test_closed_standard_streams_are_no_files_of_ours(
    fakes: Fakes, unset: dict[str, str], shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"a")
    shell("put", str(tmp_path / "a"), "--path", "a")
    for closed, words, exit_code in (
        ("<&-", ("put", "-"), 9),
        (">&- 2>&-", ("get", "paths/alice/a", str(tmp_path / "b")), 9),
    ):
        script = f'exec "$@" {closed}'
        done = subprocess.run(
            ["sh", "-c", script, "sh", *command(*words)],
            cwd=ROOT,
            env=environment(fakes, unset),
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (exit_code, b"")
        assert b"bug" not in done.stderr
    assert (tmp_path / "b").read_bytes() == b"a"
    assert len(fakes.state.stored) == 1


def on_a_terminal(fakes: Fakes, unset: dict[str, str], *arguments: str) -> tuple[bytes, bytes]:
    """Standard output, and what a terminal at standard error shows."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        env=environment(fakes, unset),
        stdout=subprocess.PIPE,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = bytearray()
        while piece := _read(ours):
            shown += piece
        os.close(ours)
        assert process.stdout is not None
        out = process.stdout.read()
        assert process.wait(60) == 0
    return out, bytes(shown)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux answers EIO once the other end is closed
        return b""


def test_bars_are_shown_on_a_terminal_only(fakes: Fakes, unset: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "holiday [red].bin"
    path.write_bytes(bytes(20 * MIB))
    out, shown = on_a_terminal(fakes, unset, "put", str(path))
    assert out.startswith(b"uploads/alice/")
    assert "━".encode() in shown
    assert b"[red]" in shown
    out, shown = on_a_terminal(fakes, unset, "put", "-q", str(path))
    assert (out.startswith(b"uploads/alice/"), shown) == (True, b"")


def test_a_full_device_is_named(shell: Shell) -> None:
    shell("put", "-", "--path", "a", stdin=b"abc")
    done = shell("get", "paths/alice/a", "/dev/full")
    assert (done.exit_code, done.err) == (9, "strongroom: /dev/full: No space left on device\n")


def test_a_token_that_no_header_carries_is_no_bug(shell: Shell) -> None:
    for wrong in ("a\nb", "bäd"):
        done = shell("usage", "--token", wrong)
        assert done.exit_code == 4
        assert "The token contains characters that no token has" in done.err


def test_proxies_are_not_asked_for_this_machine(shell: Shell) -> None:
    nowhere = "http://127.0.0.1:9"
    done = shell("usage", "--retries", "0", http_proxy=nowhere, https_proxy=nowhere, no_proxy="")
    assert (done.exit_code, done.err) == (0, "")


def test_grpc_does_not_write_between_our_lines(fakes: Fakes, unset: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    environ = environment(fakes, unset) | {"STRONGROOM_TLS_CA": str(tmp_path / "ca.pem")}
    words = command("usage", "--json", "--retries", "0", "--timeout", "5")
    done = subprocess.run(words, cwd=ROOT, env=environ, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (7, b"")
    assert [list(json.loads(line)) for line in done.stderr.splitlines()] == [["error"]]
