"""`make up` with the real services: the printed commands work, and stored files stay."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import psycopg
import pytest

from devstack import bucket
from devstack.stackfile import S3Entry
from tests.integration.devstack.conftest import StartStack
from tests.integration.devstack.running import REAL, RunningStack, until


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The folder of a user who pastes commands; its README.md is the file to upload."""
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "README.md").write_bytes(b"# Strongroom\n" + os.urandom(3_000_000))
    return folder


def pasted(lines: list[str], desk: Path) -> str:
    """The output of a shell for these lines."""
    shell = subprocess.run(
        ["bash", "-e"],
        input="\n".join(lines),
        cwd=desk,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert shell.returncode == 0, shell.stderr
    return shell.stdout


def has_printed(running: RunningStack, line: str) -> bool:
    return line in running.output


def printed_lines(running: RunningStack) -> list[str]:
    """The lines to paste: the upload, then the two that read it back, without the console's address."""
    until("the tour is printed", lambda: "byte for byte" in running.output)
    indented = [line.strip() for line in running.output.splitlines() if line.startswith("  ")]
    return [line for line in indented if not line.startswith("http")]


def test_the_printed_lines_store_a_file_that_survives_the_death_of_everything(
    start_stack: StartStack, desk: Path
) -> None:
    running = start_stack(*REAL, bare=True)
    running.wait_up()
    upload, *read_back = printed_lines(running)
    assert '"key":' in pasted([upload], desk)
    assert pasted(read_back, desk) == "the same, byte for byte\n"
    for pid in (running.process.pid, *running.pids()):
        os.kill(pid, signal.SIGKILL)
    running.process.wait()
    again = start_stack(*REAL)
    again.wait_up()
    assert pasted(printed_lines(again)[1:], desk) == "the same, byte for byte\n"
    assert again.stop() == 0


def test_stack_json_lets_an_independent_checker_see_everything(start_stack: StartStack, desk: Path) -> None:
    running = start_stack(*REAL)
    stack = running.wait_up()
    pasted(printed_lines(running)[:1], desk)
    with psycopg.connect(stack["postgres"]["dsn"]) as connection:
        rows = connection.execute("SELECT key, size_bytes FROM files").fetchall()
    s3 = bucket.client(S3Entry(**stack["s3"]))
    found = s3.list_objects_v2(Bucket=stack["s3"]["bucket"])["Contents"]
    size = (desk / "README.md").stat().st_size
    assert [(entry["Key"], entry["Size"]) for entry in found] == rows
    assert [row[1] for row in rows] == [size]


def test_uploads_work_again_after_each_process_was_killed(start_stack: StartStack, desk: Path) -> None:
    running = start_stack(*REAL)
    before = running.wait_up()
    upload, *read_back = printed_lines(running)
    upload = upload.replace("curl -f ", "curl -f --retry 20 --retry-all-errors ")
    for name in ("gateway", "storage", "metadata", "postgres"):
        os.kill(before[name]["pid"], signal.SIGKILL)
        line = f"{name:<9} ready again"
        until(line, partial(has_printed, running, line))
        assert running.stack()[name]["pid"] != before[name]["pid"]
        pasted([upload, *read_back], desk)
    assert running.stop() == 0
