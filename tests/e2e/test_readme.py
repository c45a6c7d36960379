"""The README's ``buf curl`` lines work as written against a running stack."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import RunningStack

README = Path(__file__).resolve().parents[2] / "README.md"
LINES = re.findall(r"^buf curl .*$", README.read_text("utf-8"), re.MULTILINE)


def _name(line: str) -> str:
    return line.rpartition("/")[2]


def _buf() -> str:
    beside = Path(sys.executable).with_name("buf")
    found = str(beside) if beside.exists() else shutil.which("buf")
    assert found, "buf comes with the dev requirements"
    return found


def test_the_readme_has_a_line_for_each_service() -> None:
    methods = {_name(line) for line in LINES}
    assert {"Upload", "ListFiles", "GetUsage", "Check"} <= methods


@pytest.mark.parametrize("line", LINES, ids=_name)
def test_a_line_of_the_readme(stack: RunningStack, line: str) -> None:
    state = stack.state
    script = (
        line.replace("buf curl", f"{_buf()} curl", 1)
        .replace("127.0.0.1:50051", state["storage"]["address"])
        .replace("127.0.0.1:50052", state["metadata"]["address"])
    )
    token = stack.token("reader-of-the-readme")
    done = subprocess.run(
        ["bash", "-c", script],
        env={"T": f"authorization: Bearer {token}", "PATH": "/usr/bin:/bin", "HOME": str(stack.data_dir)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), dict)
