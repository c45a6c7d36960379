"""``strongroom admin`` against a whole stack: output, questions, and refusals for ordinary users."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.e2e.belongings import project
from tests.e2e.conftest import Login
from tests.faults.checker import Checker
from tests.integration.sdk.shell import Shell
from tests.stack import CHECKOUT, RunningStack, clean_environ, until


@pytest.fixture
def shell_of(stack: RunningStack) -> Callable[..., Shell]:
    """A command line for any user."""

    def make(sub: str, **claims: object) -> Shell:
        return Shell(
            {
                "STRONGROOM_STORAGE_ADDRESS": stack.state["storage"]["address"],
                "STRONGROOM_METADATA_ADDRESS": stack.state["metadata"]["address"],
                "STRONGROOM_TOKEN": stack.token(sub, **claims),
                "COLUMNS": "200",
            }
        )

    return make


@pytest.fixture
def admin(shell_of: Callable[..., Shell]) -> Shell:
    """A new admin, about whom nothing is recorded yet."""
    return shell_of(f"root-{uuid.uuid4()}", roles=["admin"])


def put(http: httpx.Client, body: bytes) -> str:
    """Upload; the key."""
    reply = http.post("/api/v1/s3/upload", files={"file": ("a.txt", body)})
    assert reply.status_code in {200, 201}, reply.text
    return str(reply.json()["key"])


def test_quota_usage_and_the_act(admin: Shell, http: httpx.Client, user: str) -> None:
    put(http, b"12345")
    asked = admin("admin", "quota", "set", user, "--bytes", "1KiB")
    assert (asked.exit_code, asked.out) == (2, "")
    assert "add --yes to confirm" in asked.err
    done = admin("admin", "quota", "set", user, "--bytes", "1KiB", "--yes", "--json")
    (limits,) = done.documents
    assert (limits["limit_bytes"], limits["limit_files"], limits["used_bytes"]) == (1024, None, 5)
    (kept,) = admin("admin", "quota", "set", user, "--files", "2", "-y", "--json").documents
    assert (kept["limit_bytes"], kept["limit_files"]) == (1024, 2)
    assert "limit 1.0 KiB" in admin("admin", "quota", "get", user).out
    (usage,) = admin("admin", "usage", user, "--json").documents
    assert usage["families"] == {"file": {"file_count": 1, "size_bytes": 5}}
    unknown = admin("admin", "usage", f"{user}-mistyped")
    assert (unknown.exit_code, unknown.out) == (0, "")
    assert "has no files, no limits and nothing under way" in unknown.err
    everybody = admin("admin", "usage", "--all", "--sort", "owner", "--json").documents
    assert user in [one["owner_id"] for one in everybody]
    later, first = admin("admin", "audit", "--about", user, "--json").documents
    assert later["details"] == {"limit_bytes": 1024, "limit_files": 2}
    assert (first["act"], first["outcome"], first["owner_id"]) == ("set_quota", "done", user)
    assert first["actor"].startswith("root-")
    assert f"about {user}" in admin("admin", "audit", "-n", "1").out


@pytest.mark.parametrize(
    "words",
    [
        ("usage", "--all"),
        ("audit",),
        ("quota", "get", "somebody"),
        ("quota", "set", "somebody", "--files", "1", "--yes"),
    ],
)
def test_users_are_no_admins(shell_of: Callable[..., Shell], user: str, words: tuple[str, ...]) -> None:
    refused = shell_of(user)("admin", *words)
    assert (refused.exit_code, refused.out) == (4, "")
    assert "admin" in refused.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("usage",), "name one user, or use --all"),
        (("usage", "ada", "--all"), "name one user, or use --all"),
        (("quota", "set", "ada"), "give a limit"),
        (("quota", "set", "ada", "--bytes", "-5", "--yes"), "is not a size"),
        (("quota", "set", "ada", "--bytes", "many", "--yes"), "is not a size"),
        (("quota", "set", "ada", "--files", "1.5", "--yes"), "is not a number"),
        (("attempts", "retry", "nope", "--yes"), "nope is not an attempt's id"),
        (("attempts", "requeue", str(uuid.UUID(int=1)), "a b", "--yes"), "'a b' is not an attempt's id"),
        (("attempts", "abort", "0b5c", "--yes"), "0b5c is not an attempt's id"),
    ],
)
def test_what_makes_no_sense_is_said(admin: Shell, words: tuple[str, ...], said: str) -> None:
    refused = admin("admin", *words)
    assert (refused.exit_code, refused.out) == (2, "")
    assert said in refused.err


def test_erasing_takes_every_byte_and_no_neighbours(
    admin: Shell, http: httpx.Client, user: str, login: Login, checker: Checker
) -> None:
    put(http, b"mine")
    neighbour = login(f"{user}-too")
    key = put(neighbour, b"theirs")
    assert http.post("/api/projects/save", json=project("site")).status_code in {200, 201}
    asked = admin("admin", "user", "erase", user)
    assert (asked.exit_code, "add --yes" in asked.err) == (2, True)
    (done,) = admin("admin", "user", "erase", user, "--yes", "--json").documents
    assert (done["state"], done["summary"]["counts"]["files"]) == ("ended", 1)
    assert done["summary"]["counts"]["projects"] == 1
    assert user not in done["receipt"]
    left = [key for key, _, _ in checker.versions() if user in key.split("/")]
    assert left == []
    assert neighbour.get(f"/api/v1/s3/file/{key}").content == b"theirs"
    assert "in backups until not known" in admin("admin", "user", "erasure", user).out
    (shown,) = admin("admin", "user", "erasure", done["id"], "--json").documents
    assert shown["receipt"] == done["receipt"]
    finished, begun = admin("admin", "audit", "--about", user, "--json").documents
    assert (finished["outcome"], begun["outcome"]) == ("finished", "begun")
    assert finished["owner_id"] == begun["owner_id"] == ""
    assert put(http, b"again")


def test_an_export_holds_everything_by_id(
    admin: Shell, shell_of: Callable[..., Shell], http: httpx.Client, user: str, tmp_path: Path
) -> None:
    bodies = {"same.txt": [b"one", b"two"], "CON": [b"device"], "../ü\u202ea.txt": [b"odd"]}
    for name, contents in bodies.items():
        for body in contents:
            assert http.post("/api/v1/s3/upload", files={"file": (name, body)}).status_code in {200, 201}
    for version in (1, 2):
        page = {"path": "index.html", "content": f"<p>{version}"}
        files = [page, {"path": "same.css", "content": "p {}"}]
        saved = http.post("/api/projects/save", json={"name": "Mine", "slug": "site", "files": files})
        assert saved.status_code in {200, 201}
    own = shell_of(user)("export", "-o", str(tmp_path / "own.zip"), "--json")
    assert (own.exit_code, own.documents[0]["lost"]) == (0, 0)
    refused = shell_of(user)("export", "-o", str(tmp_path / "own.zip"))
    assert (refused.exit_code, "add --force" in refused.err) == (6, True)
    assert admin("admin", "user", "export", user, "-o", str(tmp_path / "for.zip")).exit_code == 0
    for path in tmp_path.glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            manifest = json.loads(archive.read("manifest.json"))
            named = {one["name"]: archive.read(one["name"]) for one in manifest["files"]}
            assert len(archive.namelist()) == len({name.casefold() for name in archive.namelist()})
            of_projects = {one["name"] for one in manifest["project_contents"]}
            pages = [archive.read(f"projects/site/{version}/index.html") for version in (1, 2)]
        assert sorted(named.values()) == sorted(body for bodies_ in bodies.values() for body in bodies_)
        assert manifest["owner_id"] == user
        assert {len(one["crc32c"]) for one in manifest["files"]} == {8}
        assert pages == [b"<p>1", b"<p>2"]
        assert of_projects == {
            *(f"projects/site/{version}/index.html" for version in (1, 2)),
            "projects/site/1/same.css",
        }
        assert manifest["lost"] == []
    acts = admin("admin", "audit", "--about", user, "--json").documents
    told = [(act["act"], act["outcome"]) for act in acts]
    ended, begun = ("export_user", "done"), ("export_user", "begun")
    assert told == [ended, begun], "one's own export is no act of an admin"


def test_what_is_lost_is_named_and_ends_nothing(
    shell_of: Callable[..., Shell], http: httpx.Client, user: str, tmp_path: Path, checker: Checker
) -> None:
    keys = [put(http, body) for body in (b"kept", b"lost", b"x" * 900_000)]
    for key, version, _ in checker.versions():
        if key == keys[1]:
            checker.s3.delete_object(Bucket=checker.bucket, Key=key, VersionId=version)
    done = shell_of(user)("export", "-o", str(tmp_path / "all.zip"), "--json")
    assert (done.exit_code, done.documents[0]["lost"]) == (8, 1)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        (lost,) = manifest["lost"]
        assert lost["name"] not in archive.namelist()
    assert [one["name"] for one in manifest["files"] if one["key"] == keys[1]] == [lost["name"]]
    assert lost["kept_bytes"] is None


def test_the_cleaner_at_night(admin: Shell, http: httpx.Client) -> None:
    put(http, b"something")
    (status,) = admin("admin", "cleaner", "status", "--json").documents
    assert status["replicas"]
    assert status["now"].endswith("Z")
    assert "last asked for work" in admin("admin", "cleaner", "status").out
    assert admin("admin", "attempts", "ls").exit_code == 0
    nobodys = str(uuid.uuid4())
    for words, said in {
        ("retry",): "use --all",
        ("requeue", nobodys, "--all"): "use --all",
        ("requeue", "--all"): "add --yes",
        ("abort", nobodys): "add --yes",
        ("abort", "x", "--yes"): "x is not an attempt's id",
        ("retry", "no-uuid"): "no-uuid is not an attempt's id",
    }.items():
        refused = admin("admin", "attempts", *words)
        assert (refused.exit_code, said in refused.err) == (2, True), refused.err
    assert admin("admin", "attempts", "requeue", "--all", "--yes").exit_code == 0
    left = admin("admin", "attempts", "requeue", nobodys.upper(), "--yes")
    assert (left.exit_code, left.out) == (0, "")
    assert f"left alone: {nobodys} (it has not failed, or there is no such attempt)" in left.err
    missing = admin("admin", "attempts", "abort", nobodys, "--yes")
    assert (missing.exit_code, "under way" in missing.err) == (3, True)


def test_a_verification_is_an_act(admin: Shell) -> None:
    assert admin("verify", "--no-wait", "--json").exit_code == 0
    (act,) = admin("admin", "audit", "--act", "start_verification", "-n", "1", "--json").documents
    assert act["outcome"] == "begun"
    assert act["actor"].startswith("root-")


def test_an_operator_watches_what_happens_to_everybody(
    admin: Shell, shell_of: Callable[..., Shell], http: httpx.Client, user: str
) -> None:
    words = ("admin", "watch", "--type", "file-ready", "--user", user, "-n", "1", "--json")
    command = [sys.executable, "-m", "strongroom.cli", *words]
    env = {**clean_environ(), **admin.environ}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env, cwd=CHECKOUT, text=True) as running:

        def put_until_seen() -> bool:
            """Later events are seen; store another one for the next watcher."""
            ended = running.poll() is not None
            put(http, b"first")
            return ended

        until("the watcher has left", put_until_seen, pause=0.5)
        event = json.loads(running.stdout.read() if running.stdout else "")
    assert (running.returncode, event["type"], event["user_id"]) == (0, "file-ready", user)
    (later,) = admin(*words, "--from", event["id"]).documents
    assert (later["user_id"], later["id"] != event["id"]) == (user, True)
    refused = shell_of(user)(*words)
    assert (refused.exit_code, refused.out) == (4, "")
    unknown = admin("admin", "watch", "--type", "nonsense", "-n", "1")
    assert (unknown.exit_code, "is not an event type" in unknown.err) == (5, True)
