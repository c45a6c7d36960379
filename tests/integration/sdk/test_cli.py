"""The command line against the fakes: output, stored files, exit codes."""

from __future__ import annotations

import os
from pathlib import Path

import jwt
import pytest

from strongroom.cli.settings import ConnectionOptions, client_settings
from strongroom.client.tokens import development_token
from tests.integration.sdk.fakes.server import Fakes
from tests.integration.sdk.fakes.state import SECRET, State
from tests.integration.sdk.shell import Shell
from tests.unit.strongroom.client.stack_file import write_stack

MIB = 1024 * 1024


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(state: State) -> dict[str, bytes]:
    """Content by key."""
    return {stored.file.key: stored.data for stored in state.stored.values()}


def test_put_prints_the_key_and_get_brings_the_file_back(shell: Shell, here: Path) -> None:
    data = os.urandom(2 * MIB)
    (here / "photo.jpg").write_bytes(data)
    put = shell("put", "photo.jpg")
    assert (put.exit_code, put.err, len(put.lines)) == (0, "", 1)
    (here / "photo.jpg").unlink()
    got = shell("get", put.lines[0])
    assert (got.exit_code, got.lines) == (0, ["photo.jpg"])
    assert (here / "photo.jpg").read_bytes() == data


def test_put_options_travel(shell: Shell, here: Path, state: State) -> None:
    (here / "a.txt").write_bytes(b"text")
    done = shell(
        "put",
        "a.txt",
        "--name",
        "b.txt",
        "--type",
        "text/plain",
        "--meta",
        "k=v=w",
        "--meta",
        "e=",
        "--public",
        "--json",
    )
    (document,) = done.documents
    assert document["source"] == "a.txt"
    assert (document["filename"], document["content_type"]) == ("b.txt", "text/plain")
    assert document["metadata"] == {"k": "v=w", "e": ""}
    assert (document["visibility"], document["size"]) == ("public", 4)
    assert document["created_at"].endswith("Z")
    assert shell("put", "a.txt", "--folder", "audio", "--class-id", "c1").lines[0].startswith("audio/")
    assert shell("put", "a.txt", "-f", "documents").lines[0].startswith("documents/")
    assert shell("put", "a.txt", "--temp", "90m").lines[0].startswith("temp/")
    assert shell("put", "a.txt", "--path", "x/y.txt").lines == ["paths/alice/x/y.txt"]
    assert shell("put", "a.txt", "--path", "x/").lines == ["paths/alice/x/a.txt"]
    assert len(state.stored) == 6


def test_put_of_the_same_request_stores_once(shell: Shell, here: Path, state: State) -> None:
    (here / "a").write_bytes(b"x")
    keys = {shell("put", "a", "--request-id", "job-1").out for _ in range(2)}
    assert len(keys) == len(state.stored) == 1


def test_put_reads_standard_input(shell: Shell, state: State) -> None:
    data = os.urandom(MIB + 1)
    done = shell("put", "-", "--name", "dump.bin", stdin=data)
    assert contents(state) == {done.lines[0]: data}
    assert done.lines[0].endswith(".bin")


def test_put_takes_folders_in_order_and_follows_no_links_to_folders(
    shell: Shell, here: Path, state: State
) -> None:
    for name in ("site/index.html", "site/css/a.css", "site/css/b/c.css", "site/z.js"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)
    (here / "site" / "circle").symlink_to(here / "site")
    (here / "site" / "link.html").symlink_to(here / "site" / "index.html")
    os.mkfifo(here / "site" / "pipe")
    done = shell("put", "-r", "site", "--path", "www", "-j", "3")
    expected = ["index.html", "link.html", "z.js", "css/a.css", "css/b/c.css"]
    assert done.lines == [f"paths/alice/www/{name}" for name in expected]
    assert contents(state)["paths/alice/www/css/b/c.css"] == b"site/css/b/c.css"


def test_one_failure_spoils_no_other(shell: Shell, here: Path, state: State) -> None:
    (here / "a").write_bytes(b"a")
    (here / "b").write_bytes(b"b")
    (here / "folder").mkdir()
    done = shell("put", "a", "none", "folder", "b")
    assert done.exit_code == 9
    assert len(done.lines) == len(state.stored) == 2
    assert done.err.splitlines() == [
        "strongroom: none: No such file or directory",
        "strongroom: folder: is a folder; add -r to upload its contents",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--path", "x", "--temp", "1h"], "choose one of"),
        (["--path", "x", "-f", "documents"], "choose one of"),
        (["-f", "audio"], "needs --class-id"),
        (["--class-id", "c"], "only that folder"),
        (["--temp", "soon"], "not a time span"),
        (["--meta", "novalue"], "KEY=VALUE"),
        (["b", "--name", "x"], "for a single file"),
    ],
)
def test_options_that_contradict_each_other(
    arguments: list[str], said: str, shell: Shell, here: Path, state: State
) -> None:
    (here / "a").write_bytes(b"a")
    done = shell("put", "a", *arguments)
    assert done.exit_code == 2
    assert said in done.err
    assert state.calls == []


def test_get_to_standard_output_and_ranges(shell: Shell, here: Path) -> None:
    (here / "a").write_bytes(bytes(range(256)))
    (key,) = shell("put", "a").lines
    assert shell("get", key, "-").raw == bytes(range(256))
    assert shell("get", key, "-", "--offset", "10", "--length", "3").raw == bytes([10, 11, 12])
    assert shell("get", key, "-", "--offset=-2").raw == bytes([254, 255])
    assert shell("get", key, "b", "--offset", "1").exit_code == 2
    assert not (here / "b").exists()


def test_get_takes_its_destination_as_an_option_too(shell: Shell, here: Path) -> None:
    (here / "a").write_bytes(b"a")
    key = shell("put", "a").lines[0]
    for number, option in enumerate(("-o", "--output")):
        assert shell("get", key, option, f"copy-{number}").lines == [f"copy-{number}"]
        assert (here / f"copy-{number}").read_bytes() == b"a"
    assert shell("get", key, "-o", "-").raw == b"a"
    done = shell("get", key, "b", "-o", "c")
    assert (done.exit_code, (here / "b").exists(), (here / "c").exists()) == (2, False, False)
    assert "two destinations" in done.err


def test_a_destination_that_cannot_be_written_is_named_as_it_was_given(shell: Shell, here: Path) -> None:
    (here / "a").write_bytes(b"a")
    key = shell("put", "a").lines[0]
    missing = shell("get", key, "nowhere/at/all/b")
    assert missing.exit_code == 9
    assert f"{here}/nowhere/at/all: No such file or directory" in missing.err
    below_a_file = shell("get", key, "a/b")
    assert below_a_file.exit_code == 9
    assert f"{here}/a/b: Not a directory" in below_a_file.err
    for told in (missing.err, below_a_file.err):
        assert ".part" not in told


def test_get_replaces_only_what_was_named(shell: Shell, here: Path) -> None:
    (here / "a").write_bytes(b"new")
    (key,) = shell("put", "a").lines
    (here / "a").write_bytes(b"old")
    refused = shell("get", key)
    assert refused.exit_code == 6
    assert "add --force" in refused.err
    assert (here / "a").read_bytes() == b"old"
    assert shell("get", key, "--force").exit_code == 0
    assert (here / "a").read_bytes() == b"new"
    (here / "b").write_bytes(b"old")
    assert shell("get", key, "b").lines == ["b"]
    assert (here / "b").read_bytes() == b"new"


def test_names_from_elsewhere_can_do_no_harm(shell: Shell, here: Path) -> None:
    evil = "../../.bash\x1b]0;owned\x07rc\n[red]x"
    (key,) = shell("put", "-", "--name", evil, stdin=b"x").lines
    for command in (("ls",), ("stat", key)):
        shown = shell(*command).out
        assert "\x1b" not in shown
        assert "\x07" not in shown
        assert "$'../../.bash\\x1b]0;owned\\x07rc\\x0a[red]x'" in shown
    (path,) = shell("get", key).lines
    assert path.strip("'") == "_._.._.bash_]0;owned_rc_[red]x"
    assert [found.name for found in here.iterdir()] == [path.strip("'")]


def test_ls_runs_over_pages(shell: Shell, state: State) -> None:
    for number in range(5):
        shell("put", "-", "--path", f"a/{number}", stdin=b"x" * number * 1000)
    shell("put", "-", "--temp", "1h", stdin=b"x")
    everything = shell("ls")
    assert len(everything.lines) == 6
    assert everything.lines[2].split()[:2] == ["2.0", "KiB"]
    first = shell("ls", "paths/", "-n", "2")
    assert [line.split()[-2] for line in first.lines] == ["paths/alice/a/0", "paths/alice/a/1"]
    token = first.err.strip().removeprefix("more: add --page-token ")
    rest = shell("ls", "paths/", "-n", "9", "--page-token", token, "--json")
    assert [document["key"] for document in rest.documents] == [
        f"paths/alice/a/{number}" for number in (2, 3, 4)
    ]
    assert len(shell("ls", "--family", "temp").lines) == 1
    assert shell("ls", "none/").out == ""


def test_rm_and_undelete(shell: Shell, state: State) -> None:
    keys = [shell("put", "-", "--path", name, stdin=b"x").lines[0] for name in ("a", "b", "c")]
    done = shell("rm", keys[0], "paths/alice/none", keys[1])
    assert (done.exit_code, done.lines) == (3, keys[:2])
    assert "paths/alice/none: " in done.err
    assert shell("rm", "-f", "paths/alice/none").exit_code == 0
    assert shell("rm", "--soft", keys[2]).exit_code == 0
    assert shell("ls").out == ""
    assert shell("ls", "--deleted").lines[0].endswith("(deleted)")
    assert shell("stat", keys[2]).exit_code == 3
    assert shell("stat", keys[2], "--deleted").exit_code == 0
    assert shell("undelete", keys[2]).lines == [keys[2]]
    assert list(contents(state)) == [keys[2]]
    assert shell("undelete", "paths/alice/none").exit_code == 3


def test_url_and_usage_and_stat(shell: Shell) -> None:
    (key,) = shell("put", "-", stdin=b"x" * 2048).lines
    link = shell("url", key, "--expires", "1h30m", "--attachment")
    assert link.lines[0].startswith("http")
    assert "/l/1.True/" in link.lines[0]
    assert link.err.startswith("valid until 20")
    assert "/l/2.False/" in shell("url", key, "--newest").lines[0]
    assert shell("url", key, "--expires", "never").err.startswith("valid until revoked")
    assert shell("url", key, "--signed", "--newest").exit_code == 2
    for wrong in ((), (key, "--all")):
        assert shell("links", "revoke", *wrong).exit_code == 2
    url = shell("url", key, "--signed", "--expires", "1h30m", "--attachment")
    assert url.lines[0].endswith("?signed=1.2.5400")
    assert url.err.startswith("valid until ")
    assert shell("url", key, "-q").err == ""
    assert shell("url", key, "--json").documents[0]["key"] == key
    assert shell("url", key, "--inline", "--attachment").exit_code == 2
    assert "2.0 KiB (no limit)" in shell("usage").out
    assert shell("usage", "--json").documents[0]["used_bytes"] == 2048
    stat = shell("stat", key)
    assert f"key              {key}" in stat.lines
    assert shell("stat", key, "--json").documents[0]["size"] == 2048


def test_token_is_made_of_the_secret(unset: dict[str, str]) -> None:
    shell = Shell(unset | {"STRONGROOM_JWT_SECRET": SECRET})
    (made,) = shell("token", "--sub", "alice", "--ttl", "15m", "--role", "admin").lines
    claims = jwt.decode(made, SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["role"], claims["exp"] - claims["iat"]) == ("alice", "admin", 900)
    plain = shell("token", "--sub", "bob", "--json").documents[0]
    assert set(plain) == {"token", "sub", "iat", "exp"}


def test_token_says_what_is_missing(unset: dict[str, str]) -> None:
    none = Shell(unset)("token", "--sub", "alice")
    assert none.exit_code == 2
    assert "make up" in none.err
    short = Shell(unset)("token", "--sub", "alice", STRONGROOM_JWT_SECRET="short")
    assert short.exit_code == 2
    assert "32 bytes" in short.err
    assert Shell(unset)("token").exit_code == 2


def test_a_token_that_the_services_would_refuse_is_not_made(unset: dict[str, str]) -> None:
    shell = Shell(unset | {"STRONGROOM_JWT_SECRET": SECRET, "STRONGROOM_JWT_AUDIENCE": " ,files, photos"})
    (made,) = shell("token", "--sub", "alice", "--ttl", "30d").lines
    assert jwt.decode(made, SECRET, algorithms=["HS256"], audience="files")["aud"] == "files"
    for arguments, said in (
        (("--sub", " alice"), "begins or ends with a blank"),
        (("--sub", "alice", "--ttl", "31d"), "at most 2592000 s"),
        (("--sub", "alice", "--ttl", "0"), "a ttl of at least one second"),
    ):
        refused = shell("token", *arguments)
        assert (refused.exit_code, refused.out) == (2, "")
        assert said in refused.err
    short: dict[str, str] = {"STRONGROOM_JWT_MAX_LIFETIME_SECONDS": "60"}
    longer = Shell({**shell.environ, **short})("token", "--sub", "alice", "--ttl", "61s")
    assert longer.exit_code == 2
    own = client_settings(ConnectionOptions(as_user="alice"), {**unset, **shell.environ, **short}).token
    assert callable(own)
    claims = jwt.decode(str(own()), SECRET, algorithms=["HS256"], audience="files")
    assert claims["exp"] - claims["iat"] == 60


def test_a_running_stack_is_found_and_signs_its_own_tokens(fakes: Fakes, unset: dict[str, str]) -> None:
    write_stack(Path(unset["STRONGROOM_DATA_DIR"]), fakes.storage_address, fakes.metadata_address, SECRET)
    shell = Shell(unset)
    assert shell("usage", "--json").documents[0]["owner_id"] == "dev"
    assert shell("usage", "--json", "--as", "carol").documents[0]["owner_id"] == "carol"
    assert shell("usage", "--json", STRONGROOM_USER="dave").documents[0]["owner_id"] == "dave"
    given = development_token(SECRET, "erin")
    assert shell("usage", "--json", STRONGROOM_TOKEN=given).documents[0]["owner_id"] == "erin"
    assert shell("usage", "--json", "--token", given).documents[0]["owner_id"] == "erin"
    (made,) = shell("token", "--sub", "frank").lines
    assert jwt.decode(made, SECRET, algorithms=["HS256"])["sub"] == "frank"


def test_admins_act_for_others(shell: Shell) -> None:
    admin = development_token(SECRET, "root", role="admin")
    assert shell("usage", "--json", "--token", admin, "--for-user", "bob").documents[0]["owner_id"] == "bob"
    refused = shell("usage", "--for-user", "bob")
    assert refused.exit_code == 4
    assert "admin role" in refused.err


COMMANDS = ("put", "get", "ls", "stat", "rm", "undelete", "url", "usage", "token", "doctor")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, shell: Shell) -> None:
    done = shell(command, "--help")
    assert done.exit_code == 0
    assert "--json" in done.out


def test_help_and_version(shell: Shell) -> None:
    listed = shell("--help").out
    assert all(command in listed for command in COMMANDS)
    assert shell("--version").out.startswith("strongroom ")
    assert shell("nonsense").exit_code == 2
