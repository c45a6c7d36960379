"""`.env` as made for docker compose."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def made() -> dict[str, str]:
    argv = [sys.executable, str(ROOT / "deploy" / "make_env.py")]
    printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in printed.splitlines())


def test_it_holds_exactly_what_compose_demands() -> None:
    demanded = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    assert set(made()) == demanded


def test_secrets_are_long_random_and_safe_in_a_url() -> None:
    first, second = made(), made()
    for name in set(first) - {"AWS_ACCESS_KEY_ID"}:
        assert re.fullmatch(r"[0-9a-f]{48}", first[name]), name
        assert first[name] != second[name]
