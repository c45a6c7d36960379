"""``strongroom project``, ``generation``, ``media`` and ``notify`` against a whole stack."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
import threading
import uuid
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e import samples
from tests.integration.importing.origin import Origin, answer
from tests.integration.sdk.shell import Outcome, Shell
from tests.stack import CHECKOUT, clean_environ, until

FOX: Final = "a red fox"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder to save."""
    root = tmp_path / "My Site"
    for path, content in {"index.html": "<h1>1</h1>", "src/ü a.py": "print()", ".git/config": "no"}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    return root


def content(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}


def good(outcome: Outcome) -> Outcome:
    assert (outcome.exit_code, "error" in outcome.err) == (0, False), outcome.err
    return outcome


def document(outcome: Outcome) -> dict[str, Any]:
    """The only document printed by a command with ``--json``."""
    (found,) = good(outcome).documents
    assert outcome.err == ""
    assert isinstance(found, dict)
    return found


def mistake(outcome: Outcome, code: int, said: str) -> None:
    """One clear line (perhaps with a hint), no traceback, no output."""
    assert (outcome.exit_code, outcome.out) == (code, ""), outcome.err
    first, *more = outcome.err.splitlines()
    assert first.startswith("strongroom: ")
    assert said in first
    assert [line for line in more if not line.startswith("  hint: ")] == []


def test_a_project_from_save_to_delete(shell: Shell, site: Path, tmp_path: Path) -> None:
    assert good(shell("project", "save", str(site))).lines == ["my-site 1"]
    saved = document(shell("project", "save", str(site), "--json", "--expect", "1", "--name", "Mine"))
    assert (saved["version"]["version"], saved["sent"], saved["project"]["name"]) == (2, 0, "Mine")
    (site / "index.html").write_text("<h1>3</h1>")
    assert document(shell("project", "save", str(site), "--json"))["version"]["changed"] == 1

    for name in ("list", "ls"):
        listed = document(shell("project", name, "--json"))
        assert (listed["slug"], listed["version"], listed["file_count"]) == ("my-site", 3, 2)
    assert "my-site" in good(shell("project", "ls")).lines[0]
    versions = good(shell("project", "versions", "my-site", "--json")).documents
    assert [version["version"] for version in versions] == [3, 2, 1]

    old = tmp_path / "old"
    restored = good(shell("project", "restore", "my-site", str(old), "--version", "1", "--json")).documents
    assert {one["path"] for one in restored} == {"index.html", "src/ü a.py"} == set(content(old))
    assert content(old)["index.html"] == "<h1>1</h1>"

    assert good(shell("project", "rollback", "my-site", "1", "--expect", "3")).lines == ["my-site 4"]
    archived = document(shell("project", "archive", "my-site", str(tmp_path), "--json"))
    with zipfile.ZipFile(archived["path"]) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == content(old)
    copied = good(shell("project", "save", archived["path"], "--slug", "copy"))
    assert copied.lines == ["copy 1"]

    (site / "new.css").write_text("p{}")
    patch = ("projects", "patch", "copy", str(site / "new.css"), "--root", str(site), "--rm", "index.html")
    changed = document(shell(*patch, "--expect", "1", "--json"))["version"]
    assert [changed[name] for name in ("version", "file_count", "added", "removed")] == [2, 2, 1, 1]
    mistake(shell(*patch, "--expect", "1"), 6, "version 2")
    mistake(shell("project", "patch", "copy", str(archived["path"]), "--root", str(site)), 2, "not below")
    mistake(shell("project", "patch", "copy"), 2, "nothing to change")
    mistake(shell("project", "delete", "copy", "--expect", "1"), 6, "version 2")

    assert good(shell("project", "delete", "copy", "--expect", "2")).lines == ["copy"]
    assert document(shell("project", "rm", "my-site", "--json"))["slug"] == "my-site"
    assert good(shell("project", "ls")).out == ""


def test_mistakes_with_projects(shell: Shell, site: Path, tmp_path: Path) -> None:
    mistake(shell("project", "save", str(tmp_path / "none")), 9, "none")
    mistake(shell("project", "save", str(site), "--slug", "Not A Slug"), 5, "slug")
    mistake(shell("project", "save", str(site), "--expect", "7"), 6, "no such project")
    good(shell("project", "save", str(site)))
    mistake(shell("project", "restore", "my-site", str(site), "--version", "9"), 3, "version")
    (site / "index.html").write_text("mine")
    mistake(shell("project", "restore", "my-site", str(site)), 6, "index.html")
    assert (site / "index.html").read_text() == "mine"
    for call in (["versions", "none"], ["rollback", "none", "1"], ["archive", "none"], ["rm", "none"]):
        mistake(shell("project", *call), 3, "project")
    refused = shell("project", "rm", "none", "--json")
    assert (refused.exit_code, refused.out) == (3, "")
    assert json.loads(refused.err)["error"]["code"] == "PROJECT_NOT_FOUND"
    assert shell("project", "rollback", "my-site", "first").exit_code == 2


def test_generations(shell: Shell, user: str, origin: Origin, tmp_path: Path) -> None:
    url = origin.script(user, answer(samples.png()))
    made = document(
        shell("generation", "import", url, "--prompt", FOX, "--settings", '{"seed": 7}', "--public", "--json")
    )
    assert made["generation_info"]["prompt"] == FOX
    assert (made["size"], made["visibility"]) == (len(samples.png()), "public")
    two = shell(
        "generation", "import", url, "http://10.0.0.1/", "--type", "image-to-image", "--public", "--json"
    )
    (other,), refusal = two.documents, json.loads(two.err)
    assert (two.exit_code, other["visibility"], other["generation_info"]["type"]) == (
        5,
        "public",
        "image-to-image",
    )
    assert (refusal["error"]["code"], refusal["error"]["subject"]) == (
        "SOURCE_URL_REFUSED",
        "http://10.0.0.1/",
    )

    (tmp_path / "fox.png").write_bytes(samples.png())
    sent = good(shell("generation", "put", str(tmp_path / "fox.png"))).lines[0]
    keys = [one["key"] for one in good(shell("generation", "ls", "--json")).documents]
    assert keys == [sent, other["key"], made["key"]]
    assert len(good(shell("generation", "list", "--type", "text-to-image", "-n", "1")).lines) == 1
    assert document(shell("generation", "stats", "--json"))["total"] == 3
    assert good(shell("generation", "rm", "--soft", sent)).lines == [sent]
    assert good(shell("trash", "restore", sent)).lines == [sent]
    assert good(shell("generation", "rm", sent, other["id"], made["key"])).lines == [sent, *keys[1:]]
    assert good(shell("generation", "ls")).out == ""


def test_mistakes_with_generations(shell: Shell, user: str, origin: Origin, tmp_path: Path) -> None:
    mistake(shell("generation", "import", "http://10.0.0.1/a.png"), 5, "not a public address")
    mistake(shell("generation", "import", origin.script(user, answer(b"", status=404))), 7, "404")
    mistake(shell("generation", "import", "http://x/", "--settings", "{"), 2, "--settings")
    mistake(shell("generation", "rm", str(uuid.uuid4())), 3, "no such file")
    mistake(shell("generation", "put", str(tmp_path / "none.png")), 9, "none.png")
    mistake(shell("generation", "import", "http://10.0.0.1/a.png", "--storage-class", ""), 2, "STANDARD_IA")
    (tmp_path / "fox.png").write_bytes(samples.png())
    refused = shell("generation", "put", str(tmp_path / "fox.png"), "--storage-class", "glacier-ir")
    mistake(refused, 5, "storage_class")
    (tmp_path / "a.txt").write_text("text")
    mistake(shell("generation", "put", str(tmp_path / "a.txt")), 5, "a.txt")


def test_media(shell: Shell, tmp_path: Path) -> None:
    event, photo = str(uuid.uuid4()), tmp_path / "photo.png"
    photo.write_bytes(samples.png())
    stored = document(
        shell(
            "media", "put", event, str(photo), "--title", "First dance", "--tag", "a", "--tag", "b", "--json"
        )
    )
    assert stored["event_media"] == {
        "event_id": event, "title": "First dance", "description": "", "tags": ["a", "b"]
    }  # fmt: skip
    for more in ([], ["--type", "image/*"], ["--tag", "b"]):
        assert document(shell("media", "ls", event, "--json", *more))["id"] == stored["id"]
    assert "First dance" in good(shell("media", "list", event)).out
    assert good(shell("media", "ls", event, "--tag", "c")).out == ""
    mistake(shell("media", "rm", str(uuid.uuid4()), stored["key"]), 3, "no such file")
    mistake(shell("media", "put", event, str(photo), "--storage-class", "GLACIER_IR"), 5, "storage_class")
    assert good(shell("media", "rm", "--soft", event, stored["key"])).lines == [stored["key"]]
    assert good(shell("trash", "restore", stored["key"])).lines == [stored["key"]]
    assert good(shell("media", "rm", event, stored["key"])).lines == [stored["key"]]
    mistake(shell("media", "rm", event, stored["key"]), 3, "no such file")
    mistake(shell("media", "put", event, str(tmp_path / "none")), 9, "none")
    mistake(shell("media", "put", "no-uuid", str(photo)), 5, "UUID")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "strongroom.cli", *arguments]


def test_notify_watch(environ: Mapping[str, str], shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    watch = command("notify", "watch", "-n", "1", "--json")
    with subprocess.Popen(
        watch, stdout=subprocess.PIPE, env={**clean_environ(), **environ}, cwd=CHECKOUT, text=True
    ) as running:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(running.stdout or ()))
        reader.start()
        ids: list[str] = []

        def put_until_seen() -> bool:
            """Later events are seen; store another one for the next watcher."""
            ended = running.poll() is not None
            ids.append(document(shell("put", str(tmp_path / "a"), "--json"))["id"])
            return ended

        until("the watcher has left", put_until_seen, pause=0.5)
        reader.join()
    (event,) = map(json.loads, lines)
    assert running.returncode == 0
    assert (event["type"], event["subject_id"] in ids[:-1]) == ("file-ready", True)
    (next_one,) = good(shell("notify", "watch", "--from", event["id"], "-n", "1", "--json")).documents
    assert next_one["subject_id"] == ids[ids.index(event["subject_id"]) + 1]


def test_a_bad_token_is_one_line(shell: Shell) -> None:
    for call in (["project", "ls"], ["generation", "stats"], ["media", "ls", str(uuid.uuid4())]):
        mistake(shell(*call, "--token", "nonsense"), 4, "token")
    mistake(shell("notify", "watch", "--token", "nonsense"), 4, "token")


def test_bars_go_to_the_terminal_only(environ: Mapping[str, str], site: Path, tmp_path: Path) -> None:
    """Standard error is a terminal, standard output a pipe, which gets only the result."""
    ours, theirs = pty.openpty()
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(_shown, ours)
        done = subprocess.run(
            command("project", "save", str(site)),
            stdout=subprocess.PIPE, stderr=theirs, check=False, cwd=CHECKOUT,
            env={**clean_environ(), "TERM": "xterm", **environ},
        )  # fmt: skip
        os.close(theirs)
        shown = reading.result()
    assert (done.returncode, done.stdout) == (0, b"my-site 1\n")
    assert b"version 1: +2 ~0 -0, 2 files" in shown


def _shown(terminal: int) -> bytes:
    """All text written to the terminal until no process has it open; its buffer is 4 KiB."""
    shown = bytearray()
    with (
        contextlib.suppress(OSError),
        open(terminal, "rb", buffering=0) as screen,
    ):  # EIO: the other end is closed
        while piece := screen.read(4096):
            shown += piece
    return bytes(shown)


def test_a_reader_that_leaves_is_no_mistake(environ: Mapping[str, str], shell: Shell, site: Path) -> None:
    for number in range(3):
        good(shell("project", "save", str(site), "--slug", f"p{number}"))
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        command("project", "list"), stdout=write, stderr=subprocess.PIPE, check=False, cwd=CHECKOUT,
        env={**clean_environ(), **environ},
    )  # fmt: skip
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_the_profile_picture(shell: Shell, tmp_path: Path) -> None:
    mistake(shell("profile-picture", "stat"), 3, "no such file")
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_bytes(samples.png())
        assert len(good(shell("profile-picture", "put", str(tmp_path / name))).lines) == 1
    stored = document(shell("profile-picture", "stat", "--json"))
    assert stored["filename"] == "two.png"
    copy = tmp_path / "copy.png"
    assert good(shell("profile-picture", "get", str(copy))).lines == [str(copy)]
    assert copy.read_bytes() == samples.png()
    assert good(shell("profile-picture", "rm")).lines == [stored["key"]]
    mistake(shell("profile-picture", "rm"), 3, "no such file")
    mistake(shell("profile-picture", "get"), 3, "no such file")


def test_tags_of_a_medium_are_replaced_and_taken_away(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(samples.png())
    put = ("media", "put", str(uuid.uuid4()), str(tmp_path / "a.png"), "--title", "One", "--tag", "a")
    (key,) = good(shell(*put)).lines
    edited = document(shell("edit", "--json", key, "--tag", "b", "--tag", "c"))
    assert [edited["event_media"]["tags"], edited["event_media"]["title"]] == [["b", "c"], "One"]
    assert document(shell("edit", "--json", key, "--no-tags"))["event_media"]["tags"] == []
