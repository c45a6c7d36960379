"""Migrating old files from a folder to a whole stack: planned, killed at any moment, complete in the end."""

from __future__ import annotations

import csv
import json
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from strongroom.migrate import moving
from tests.e2e import samples
from tests.forks import programs
from tests.integration.sdk.shell import Shell
from tests.stack import RunningStack, clean_environ

Member = Callable[[str], httpx.Client]


@pytest.fixture
def operator(stack: RunningStack) -> dict[str, str]:
    """An operator's environment: the stack, and a token with the admin role."""
    return {
        "STRONGROOM_DATA_DIR": str(stack.data_dir),
        "STRONGROOM_TOKEN": stack.token(f"mover-{uuid.uuid4()}", roles=["admin"]),
        "COLUMNS": "200",
    }


@pytest.fixture
def shell(operator: dict[str, str]) -> Shell:
    return Shell(operator)


def tree(root: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def planned(shell: Shell, source: Path, plan: Path, *options: str) -> Path:
    """A plan for everything in ``source``."""
    made = shell("migrate", "plan", str(source), "-o", str(plan), *options)
    assert made.exit_code == 0, made.err
    return plan


def mapped(plan: Path) -> dict[str, dict[str, str]]:
    """The mapping, by reference."""
    with plan.with_name(f"{plan.name}.map.csv").open(newline="") as file:
        return {row["reference"]: row for row in csv.DictReader(file)}


def test_a_folder_of_several_owners_moves_in(
    shell: Shell, stack: RunningStack, user: str, tmp_path: Path
) -> None:
    files = {
        f"{user}-{name}/{path}": path.encode() for name in "ab" for path in ("1.txt", "d/ü '2'.txt", "-rf")
    }
    plan = planned(shell, tree(tmp_path / "old", files), tmp_path / "plan.csv", "--layout", "{owner}/{path}")
    done = shell("migrate", "run", str(plan), "--json", "--jobs", "2", "--bytes-per-second", "1MiB")
    (outcome,) = done.documents
    assert (done.exit_code, outcome["moved"], outcome["failed"]) == (0, 6, 0), done.err
    found = mapped(plan)
    assert set(found) == set(files)
    for reference, row in found.items():
        with stack.http(row["owner"]) as http:
            assert http.get(row["url"].removeprefix(stack.url)).content == files[reference]
    (again,) = shell("migrate", "run", str(plan), "--json").documents
    assert (again["moved"], again["moved_before"]) == (0, 6)


FAMILIES = (
    ("path", "{owner}/{path}", "{user}/reports/2026.txt", b"report"),
    ("documents", "{owner}/{path}", "{user}/a.txt", b"text"),
    ("audio", "{owner}/{class}/{name}", "{user}/class-7/talk.wav", b"RIFF$\0\0\0WAVEfmt " + bytes(28)),
    ("generation", "{owner}/{kind}/{name}", "{user}/text-to-image/fox.png", samples.png()),
    (
        "event_media",
        "{owner}/{event}/{name}",
        "{user}/0b5c1f0e-1111-4222-8333-444455556666/p.png",
        samples.png(),
    ),
    ("profile_picture", "{owner}/{name}", "{user}/me.png", samples.png()),
    ("project", "{owner}/{slug}/{path}", "{user}/my-site/index.html", b"<h1>Hello</h1>"),
)


@pytest.mark.parametrize("case", FAMILIES, ids=[case[0] for case in FAMILIES])
def test_every_family_moves_in(
    shell: Shell,
    stack: RunningStack,
    user: str,
    tmp_path: Path,
    case: tuple[str, str, str, bytes],
) -> None:
    family, layout, path, content = case
    source = tree(tmp_path / "old", {path.format(user=user): content})
    plan = planned(shell, source, tmp_path / "plan.jsonl", "--family", family, "--layout", layout)
    done = shell("migrate", "run", str(plan))
    assert (done.exit_code, done.out[:7]) == (0, "1 moved"), done.err
    (row,) = mapped(plan).values()
    with stack.http(user) as http:
        answer = http.get(row["url"].removeprefix(stack.url))
        assert answer.status_code == 200
        if family == "project":
            answer = http.get("/api/projects/my-site/files/index.html")
        assert answer.content == content


def test_what_is_at_a_path_already_stays_unless_it_is_to_be_replaced(
    shell: Shell, stack: RunningStack, user: str, tmp_path: Path
) -> None:
    as_user = Shell({**shell.environ, "STRONGROOM_TOKEN": stack.token(user)})
    source = tree(tmp_path / "old", {"a.txt": b"old", "b.txt": b"the same"})
    for name, content in (("a.txt", b"newer"), ("b.txt", b"the same")):
        stored = as_user("put", "-", "--path", name, stdin=content)
        assert stored.exit_code == 0, stored.err
    plan = planned(shell, source, tmp_path / "plan.jsonl", "--family", "path", "--owner", user)
    refused = shell("migrate", "run", str(plan))
    assert (refused.exit_code, "something else is stored there" in refused.err) == (1, True)
    assert refused.out.startswith("1 moved")
    assert "PRECONDITION_FAILED" in (tmp_path / "plan.jsonl.failed.csv").read_text()
    assert as_user("get", f"paths/{user}/a.txt", "-").out == "newer"
    done = shell("migrate", "run", str(plan), "--replace")
    assert (done.exit_code, done.out.startswith("1 moved")) == (0, True), done.err
    assert as_user("get", f"paths/{user}/a.txt", "-").out == "old"


def test_a_token_that_may_not_act_for_others_ends_the_run(
    shell: Shell, stack: RunningStack, user: str, tmp_path: Path
) -> None:
    source = tree(tmp_path / "old", {f"{number}.txt": b"x" for number in range(5)})
    plan = planned(shell, source, tmp_path / "plan.jsonl", "--owner", user)
    refused = shell("migrate", "run", str(plan), STRONGROOM_TOKEN=stack.token(f"not-{user}"))
    assert (refused.exit_code, refused.out[:7]) == (4, "0 moved")
    assert "--token-command" in refused.err
    script = (
        f"print({stack.token(user)!r} if __import__('os').environ['STRONGROOM_OWNER'] == {user!r} else '')"
    )
    (tmp_path / "token.py").write_text(script)
    done = shell(
        "migrate", "run", str(plan), "--token-command", f"{sys.executable} {tmp_path / 'token.py'}",
        STRONGROOM_TOKEN="",
    )  # fmt: skip
    assert (done.exit_code, done.out[:7]) == (0, "5 moved"), done.err


def test_a_lost_journal_and_forgotten_keys_store_nothing_twice(
    shell: Shell, http: httpx.Client, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tree(tmp_path / "old", {f"{number}.txt": b"x" * number for number in range(5)})
    plan = planned(shell, source, tmp_path / "plan.jsonl", "--owner", user)
    assert shell("migrate", "run", str(plan)).exit_code == 0
    before = mapped(plan)
    (tmp_path / "plan.jsonl.journal").unlink()
    header, rest = plan.read_text().split("\n", 1)
    made = json.loads(header) | {"made_at": (datetime.now(UTC) - timedelta(days=2)).isoformat()}
    plan.write_text(f"{json.dumps(made)}\n{rest}")
    monkeypatch.setattr(moving, "_REQUEST", "a-key-that-was-never-used-")
    again = shell("migrate", "run", str(plan))
    assert (again.exit_code, again.out[:7]) == (0, "5 moved"), again.err
    assert mapped(plan) == before
    assert len(list(listed(http))) == 5


FILES = 150


@pytest.fixture
def many(tmp_path: Path) -> Path:
    return tree(tmp_path / "old", {f"{n % 7}/{n}.txt": f"file {n}".encode() for n in range(FILES)})


def listed(http: httpx.Client) -> Iterator[dict[str, object]]:
    """All plain files of one user."""
    token = ""
    while True:
        page = http.get("/api/v1/s3/files", params={"max_keys": 1000, "continuation_token": token}).json()
        yield from page["files"]
        token = page.get("next_continuation_token") or ""
        if not token:
            return


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.usefixtures("forking")
def test_killed_at_any_moment_every_file_is_there_once(
    operator: dict[str, str], http: httpx.Client, user: str, tmp_path: Path, many: Path
) -> None:
    shell = Shell(operator)
    plan = planned(shell, many, tmp_path / "plan.jsonl", "--owner", user)
    command = ["strongroom.cli", "migrate", "run", str(plan)]
    environ = clean_environ() | operator
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    journal = tmp_path / "plan.jsonl.journal-wal"
    for _ in range(4):
        begun = size_of(journal)
        grown = chance.randrange(1, 75_000)
        running = programs.start(command, environ)
        while running.child.poll() is None and 0 <= size_of(journal) - begun < grown:
            time.sleep(0.01)
        running.end()
    done = shell("migrate", "run", str(plan), "--json")
    assert done.exit_code == 0, f"seed {seed}: {done.err}"
    found = list(listed(http))
    assert len(found) == FILES, f"seed {seed}"
    rows = mapped(plan)
    assert {row["key"] for row in rows.values()} == {str(file["key"]) for file in found}
    assert len(rows) == FILES
