"""Before the first command: a Ctrl-C, a narrow terminal, help that can't be written, or whose reader has
gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

#: Somebody presses Ctrl-C just when this module is about to be imported.
_PRESSED: Final = """
import os, signal, sys

class Pressed:
    def find_spec(self, name, *rest):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Pressed())
{before}
from strongroom.cli import main
main()
"""
#: As the installed program, by whose name shells ask.
_NAMED: Final = "import sys; sys.argv[0] = 'strongroom'; from strongroom.cli import main; main()"


def started(program: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environ, check=False, timeout=60)


@pytest.mark.parametrize("module", ["dotenv", "grpc", "strongroom.cli.settings"])
def test_ctrl_c_while_modules_are_imported_ends_it_without_a_word(module: str) -> None:
    done = started(_PRESSED.format(module=module, before=""), "--version")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_sigint_that_is_ignored_stays_ignored() -> None:
    before = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
    done = started(_PRESSED.format(module="dotenv", before=before), "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("strongroom ")


def test_no_option_is_cut_short_on_a_narrow_terminal() -> None:
    done = started(_PRESSED.format(module="none", before=""), "put", "--help", COLUMNS="40")
    assert done.returncode == 0
    assert all(name in done.stdout for name in ("--recursive", "--delete-after", "--metadata-address"))
    assert "…" not in done.stdout


@pytest.mark.parametrize("unknown", ["warn", "stop"])
def test_a_shell_that_completes_gets_words_alone(unknown: str) -> None:
    asked = {"_STRONGROOM_COMPLETE": "complete_bash", "COMP_WORDS": "strongroom pu", "COMP_CWORD": "1"}
    wrong = {"STRONGROOM_TOKN": "x", "STRONGROOM_UNKNOWN_SETTINGS": unknown}
    done = started(_NAMED, **asked, **wrong)
    assert (done.returncode, done.stdout, done.stderr) == (0, "put\n", "")


def test_help_that_can_not_be_written_is_one_line() -> None:
    program = _PRESSED.format(module="none", before="")
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", program, "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 9
    assert done.stderr == "strongroom: No space left on device\n"


@pytest.mark.parametrize(("argument", "columns"), [("--help", "80"), ("--help", "40"), ("--version", "80")])
def test_a_reader_that_has_gone_ends_help_as_it_ends_a_command(argument: str, columns: str) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-c", _PRESSED.format(module="none", before=""), argument]
    try:
        done = subprocess.run(
            command, stdout=write, stderr=subprocess.PIPE, env={"COLUMNS": columns}, check=False, timeout=60
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")
