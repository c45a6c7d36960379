"""`docker compose run --rm first-upload`, as docker-compose.yml starts it, against a running stack."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.stack import RunningStack

ROOT = Path(__file__).resolve().parents[2]


def run(secret: str, url: str) -> subprocess.CompletedProcess[str]:
    service: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][
        "first-upload"
    ]
    program, *arguments = service["entrypoint"] + service["command"]
    assert program == "python"
    assert set(service["environment"]) == {"STRONGROOM_JWT_SECRET", "STRONGROOM_URL", "STRONGROOM_SHOWN_URL"}
    env = {
        "PATH": os.environ["PATH"],
        "STRONGROOM_JWT_SECRET": secret,
        "STRONGROOM_URL": url,
        "STRONGROOM_SHOWN_URL": url,
    }
    argv = [sys.executable, *arguments]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_a_first_upload_is_shown_and_its_token_works(stack: RunningStack) -> None:
    first, second = (run(stack.state["jwt_secret"], stack.url) for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    key = re.search(r"Stored and read back: (\S+)", first.stdout)
    token = re.search(r"export STRONGROOM_TOKEN=(\S+)", second.stdout)
    assert key is not None
    assert token is not None
    assert f"Stored and read back: {key[1]}\n" in second.stdout
    shown = httpx.get(
        f"{stack.url}/api/v1/s3/file/{key[1]}",
        headers={"authorization": f"Bearer {token[1]}"},
        trust_env=False,
        verify=False,
    )
    assert shown.text == "The first file in this Strongroom.\n"
    assert f"{stack.url}/console#token={token[1]}" in second.stdout


def test_what_is_wrong_is_one_line(stack: RunningStack) -> None:
    refused = run("another secret, 0123456789abcdef0123", stack.url)
    assert refused.returncode == 1
    assert refused.stderr.startswith("the gateway answers 401: ")
    away = run(stack.state["jwt_secret"], "http://127.0.0.1:9")
    assert away.returncode == 1
    assert "can't be reached" in away.stderr
    assert away.stderr.count("\n") == 1
