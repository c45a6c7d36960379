"""The command groups: what they refuse themselves, and the requests they send."""

from __future__ import annotations

from pathlib import Path

import pytest

from strongroom.cli import programs
from strongroom.client import AsyncClient, Client
from strongroom.errors import FileNotFound
from tests.integration.sdk.fakes.server import Fakes
from tests.integration.sdk.fakes.state import State, token
from tests.integration.sdk.shell import Shell


def test_every_noun_explains_itself(shell: Shell) -> None:
    for noun, verbs in {
        "project": ("save", "restore", "list", "versions", "rollback", "archive", "delete"),
        "generation": ("import", "put", "list", "stats", "rm"),
        "media": ("put", "list", "rm"),
        "notify": ("watch",),
        "bucket": ("init",),
    }.items():
        shown = shell(noun, "--help")
        assert shown.exit_code == 0
        assert [verb for verb in verbs if verb not in shown.out] == []


def test_settings_that_are_no_json_go_nowhere(shell: Shell, state: State, tmp_path: Path) -> None:
    refused = shell("generation", "put", str(tmp_path / "a.png"), "--settings", "{")
    assert refused.exit_code == 2
    assert "--settings is not JSON" in refused.err
    assert state.calls == []


def test_media_prints_keys_and_one_failure_spoils_no_other(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    event = "7e57d004-2b97-4e7a-b45f-5387367791cd"
    done = shell(
        "media", "put", event, str(tmp_path / "none"), str(tmp_path / "a.png"), "--tag", "t", "--json"
    )
    assert done.exit_code == 9
    (document,) = done.documents
    assert document["event_media"]["tags"] == ["t"]


def test_without_the_service_bucket_init_says_what_to_install(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(programs.NEEDS, "server", ("no_such_library",))
    told = shell("bucket", "init")
    assert told.exit_code == 2
    assert "pip install 'strongroom[server]'" in told.err


async def test_files_of_both_clients(client: AsyncClient, state: State) -> None:
    await client.files.upload_file(b"x", "a/b", "text/plain", {"k": "v"})
    await client.files.upload_file(b"y", "paths/alice/c")
    assert [file.key for file in await client.files.list_files()] == ["paths/alice/a/b", "paths/alice/c"]
    told: list[tuple[int, int | None]] = []
    assert await client.files.download_file("c", on_progress=lambda *now: told.append(now)) == b"y"
    assert told == [(1, 1)]
    with pytest.raises(FileNotFound):
        await client.files.get_file_info("d")
    assert state.calls.count("GetUsage") == 1


def test_files_without_a_loop(fakes: Fakes, tmp_path: Path) -> None:
    with Client(fakes.storage_address, fakes.metadata_address, token=token()) as client:
        client.files.upload_file(b"x", "a")
        told: list[tuple[int, int | None]] = []
        assert client.files.download_file("a", on_progress=lambda *now: told.append(now)) == b"x"
        assert told == [(1, 1)]
        assert client.files.download_file("a", tmp_path / "a").path.read_bytes() == b"x"
        assert client.files.delete_file("a").key == "paths/alice/a"
        assert not client.files.file_exists("a")
