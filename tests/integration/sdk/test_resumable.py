"""Uploads by session continue after the persisted bytes, in this process and in another one."""

from __future__ import annotations

import io
import json
import os
import stat
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom import errors
from strongroom.client import AsyncClient, AtPath, Client, SourceChanged
from tests.integration.sdk.conftest import QUICK
from tests.integration.sdk.fakes.sessions import Sessions, running_sessions
from tests.integration.sdk.fakes.state import Fault, State, token
from tests.integration.sdk.shell import Shell

MIB = 1024 * 1024
DATA = os.urandom(5 * MIB + 17)
GONE = errors.ServiceUnavailable("gone for a moment")


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def sessions(state: State) -> Iterator[Sessions]:
    with running_sessions(state) as running:
        yield running


@pytest.fixture
async def client(sessions: Sessions) -> AsyncGenerator[AsyncClient]:
    async with AsyncClient(sessions.address, "127.0.0.1:1", token=token(), retry=QUICK) as client:
        yield client


@pytest.fixture
def shell(sessions: Sessions, unset: dict[str, str], tmp_path: Path) -> Shell:
    """Alice's command line, with a state folder of its own."""
    return Shell(
        unset
        | {
            "STRONGROOM_STORAGE_ADDRESS": sessions.address,
            "STRONGROOM_METADATA_ADDRESS": "127.0.0.1:1",
            "STRONGROOM_TOKEN": token(),
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
    )


def contents(state: State) -> list[bytes]:
    return [stored.data for stored in state.stored.values()]


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 5 * MIB + 17])
@pytest.mark.parametrize("kind", ["bytes", "file", "path"])
async def test_sizes_and_sources(
    client: AsyncClient, state: State, tmp_path: Path, size: int, kind: str
) -> None:
    (tmp_path / "film.bin").write_bytes(DATA[:size])
    if kind == "path":
        file = await client.upload_resumable(tmp_path / "film.bin", AtPath("a.bin"))
    elif kind == "bytes":
        file = await client.upload_resumable(DATA[:size], AtPath("a.bin"))
    else:
        before = io.BytesIO(b"skipped" + DATA[:size])
        before.seek(7)
        file = await client.upload_resumable(before, AtPath("a.bin"))
        assert not before.closed
    assert (file.key, file.size) == ("paths/alice/a.bin", size)
    assert file.filename == ("film.bin" if kind == "path" else "a.bin")
    assert contents(state) == [DATA[:size]]


@pytest.mark.parametrize(
    "error",
    [
        GONE,
        errors.UploadSuperseded("newer"),
        errors.RequestInProgress("still running"),
        errors.DeadlineExceeded("slow"),
        errors.Cancelled("shutting down"),
        errors.DatabaseUnavailable("restarts"),
        errors.RateLimited("too many", retry_after=0.05),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_goes_on_from_what_is_persisted(
    error: errors.StrongroomError, client: AsyncClient, state: State, sessions: Sessions
) -> None:
    sessions.write_faults = [Fault(error, after_bytes=2 * MIB), Fault(error, after_bytes=MIB), None]
    sessions.get_faults = [Fault(error)]
    seen: list[tuple[int, int | None]] = []
    await client.upload_resumable(DATA, on_progress=lambda done, total: seen.append((done, total)))
    assert contents(state) == [DATA]
    assert [begin for begin, _ in sessions.writes] == [0, 2 * MIB, 3 * MIB]
    assert (0, len(DATA)) == seen[0]
    assert {(2 * MIB, len(DATA)), (3 * MIB, len(DATA))} < set(seen)
    assert seen[-1] == (len(DATA), len(DATA))


async def test_what_a_limit_refuses_waits_as_long_as_it_was_told(state: State, sessions: Sessions) -> None:
    """At each of the three calls of a session."""
    limited = Fault(errors.RateLimited("too many", retry_after=0.3))
    state.unary_faults = [limited]
    sessions.write_faults = [limited, None]
    sessions.get_faults = [limited]
    told: list[tuple[str, float]] = []
    policy = replace(QUICK, on_retry=lambda error, pause: told.append((error.reason_name, pause)))
    async with AsyncClient(sessions.address, "127.0.0.1:1", token=token(), retry=policy) as client:
        began = time.monotonic()
        await client.upload_resumable(DATA)
    assert contents(state) == [DATA]
    assert [name for name, _ in told] == ["RATE_LIMITED"] * 3
    assert min(pause for _, pause in told) >= 0.3
    assert time.monotonic() - began >= 0.9


@pytest.mark.parametrize("persisted", [1, MIB - 1, MIB, 3 * MIB + 5, 5 * MIB, 5 * MIB + 16])
async def test_goes_on_from_any_byte_in_another_client(
    client: AsyncClient, state: State, sessions: Sessions, persisted: int
) -> None:
    upload_id = await begun(client, sessions)
    sessions.kept[upload_id].received[:] = DATA[:persisted]
    seen: list[int] = []
    file = await client.upload_resumable(
        DATA, upload_id=upload_id, on_progress=lambda done, _total: seen.append(done)
    )
    assert contents(state) == [DATA]
    assert sessions.writes[-1] == (persisted, len(DATA) - persisted)
    assert seen[0] == persisted
    assert file.size == len(DATA)


async def begun(client: AsyncClient, sessions: Sessions) -> str:
    """A session whose first write failed for good; its id was passed to on_session."""
    told: list[str] = []
    sessions.write_faults = [Fault(errors.QuotaExceeded("full"), after_bytes=1)]
    with pytest.raises(errors.QuotaExceeded):
        await client.upload_resumable(DATA, on_session=told.append)
    assert told == list(sessions.kept)
    return told[0]


async def test_a_lost_answer_gives_the_file(client: AsyncClient, state: State, sessions: Sessions) -> None:
    sessions.write_faults = [Fault(GONE, after_commit=True)]
    file = await client.upload_resumable(DATA)
    assert list(state.stored) == [file.id]
    assert len(sessions.writes) == 1


@pytest.mark.parametrize("error", [GONE, errors.Cancelled("gone for a moment")], ids=["gone", "cancelled"])
async def test_attempts_without_progress_end(error: errors.StrongroomError, sessions: Sessions) -> None:
    sessions.get_faults = [Fault(error)] * 50
    sessions.write_faults = [Fault(error, after_bytes=1)]
    pauses: list[float] = []
    policy = replace(QUICK, on_retry=lambda _error, pause: pauses.append(pause))
    async with AsyncClient(sessions.address, "127.0.0.1:1", token=token(), retry=policy) as client:
        with pytest.raises(type(error), match="gone for a moment"):
            await client.upload_resumable(DATA)
    assert len(pauses) == QUICK.attempts - 1


async def test_progress_begins_the_count_again(client: AsyncClient, state: State, sessions: Sessions) -> None:
    data = os.urandom(2 * QUICK.attempts * MIB)
    sessions.write_faults = [Fault(GONE, after_bytes=1)] * (2 * QUICK.attempts - 1)
    await client.upload_resumable(data)
    assert contents(state) == [data]


async def test_a_file_that_changes_is_not_finished(
    client: AsyncClient, state: State, sessions: Sessions, tmp_path: Path
) -> None:
    path = tmp_path / "film.bin"
    path.write_bytes(DATA)

    def touch(done: int, _total: int | None) -> None:
        if done == MIB:
            os.utime(path, ns=(1, 1))

    with pytest.raises(SourceChanged, match="was changed"):
        await client.upload_resumable(path, on_progress=touch)
    assert state.stored == {}
    with pytest.raises(SourceChanged):
        await client.upload_resumable(DATA + b"more", upload_id=next(iter(sessions.kept)))
    assert [begin for begin, _ in sessions.writes] == [0]


async def test_other_bytes_than_those_persisted_are_not_finished(
    client: AsyncClient, state: State, sessions: Sessions
) -> None:
    upload_id = await begun(client, sessions)
    with pytest.raises(errors.ChecksumMismatch):
        await client.upload_resumable(bytes(MIB) + DATA[MIB:], upload_id=upload_id)
    assert state.stored == {}
    await client.upload_resumable(DATA, upload_id=upload_id)
    with pytest.raises(errors.ChecksumMismatch, match="other bytes"):
        await client.upload_resumable(bytes(MIB) + DATA[MIB:], upload_id=upload_id)
    assert contents(state) == [DATA]


async def test_a_session_can_be_given_up(client: AsyncClient, sessions: Sessions) -> None:
    upload_id = await begun(client, sessions)
    await client.cancel_upload(upload_id)
    with pytest.raises(errors.UploadNotFound):
        await client.upload_resumable(DATA, upload_id=upload_id)
    with pytest.raises(errors.UploadNotFound):
        await client.cancel_upload(upload_id)


async def test_sources_that_cannot_seek_are_refused(client: AsyncClient, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source in (iter([b"a"]), tmp_path / "pipe", io.StringIO("text")):
        with pytest.raises(TypeError, match=r"upload\(\)|'rb'"):
            await client.upload_resumable(source)
    with pytest.raises(IsADirectoryError):
        await client.upload_resumable(tmp_path)


def test_the_waiting_client(sessions: Sessions, state: State) -> None:
    sessions.write_faults = [Fault(GONE, after_bytes=MIB)]
    with Client(sessions.address, "127.0.0.1:1", token=token(), retry=QUICK) as client:
        assert client.upload_resumable(DATA).size == len(DATA)
    assert contents(state) == [DATA]


def interrupted(shell: Shell, sessions: Sessions, tmp_path: Path) -> Path:
    """Store 2 MiB of a file. Returns the path of the book of unfinished uploads."""
    (tmp_path / "film.bin").write_bytes(DATA)
    sessions.write_faults = [Fault(errors.QuotaExceeded("full"), after_bytes=2 * MIB)]
    assert shell("put", "--resume", str(tmp_path / "film.bin")).exit_code == 5
    book = tmp_path / "state" / "strongroom" / "uploads.json"
    assert stat.S_IMODE(book.stat().st_mode) == 0o600
    return book


def test_put_resume_goes_on(shell: Shell, sessions: Sessions, state: State, tmp_path: Path) -> None:
    book = interrupted(shell, sessions, tmp_path)
    (entry,) = json.loads(book.read_text()).values()
    found = (tmp_path / "film.bin").stat()
    assert entry == {
        "upload_id": next(iter(sessions.kept)),
        "path": str(tmp_path / "film.bin"),
        "size": len(DATA),
        "mtime": found.st_mtime_ns,
        "target": "Uploads()",
    }
    other = shell("put", "--resume", "--path", "x.bin", str(tmp_path / "film.bin"))
    assert (other.exit_code, other.err) == (0, "")
    done = shell("put", "--resume", str(tmp_path / "film.bin"))
    assert (done.exit_code, done.err) == (0, "film.bin: continues at 2.0 MiB of 5.0 MiB\n")
    assert contents(state) == [DATA, DATA]
    assert sessions.writes == [(0, 2 * MIB), (0, len(DATA)), (2 * MIB, len(DATA) - 2 * MIB)]
    assert json.loads(book.read_text()) == {}
    assert sorted(path.name for path in book.parent.iterdir()) == ["uploads.json", "uploads.lock"]


def test_put_resume_begins_anew_when_the_session_is_gone(
    shell: Shell, sessions: Sessions, state: State, tmp_path: Path
) -> None:
    book = interrupted(shell, sessions, tmp_path)
    sessions.kept.clear()
    done = shell("put", "--resume", str(tmp_path / "film.bin"))
    assert done.exit_code == 0
    assert "film.bin: starts over: There is no such upload." in done.err
    assert contents(state) == [DATA]
    assert json.loads(book.read_text()) == {}


def test_put_resume_begins_anew_when_the_file_changed(
    shell: Shell, sessions: Sessions, state: State, tmp_path: Path
) -> None:
    book = interrupted(shell, sessions, tmp_path)
    (tmp_path / "film.bin").write_bytes(DATA[::-1])
    done = shell("put", "--resume", str(tmp_path / "film.bin"))
    assert (done.exit_code, done.err) == (0, "film.bin: starts over: the file was changed\n")
    assert contents(state) == [DATA[::-1]]
    assert json.loads(book.read_text()) == {}


def test_put_resume_says_what_cannot_be(shell: Shell, sessions: Sessions, tmp_path: Path) -> None:
    assert shell("put", "--resume", "-", stdin=b"x").exit_code == 2
    book = interrupted(shell, sessions, tmp_path)
    book.write_text("[")
    refused = shell("put", "--resume", str(tmp_path / "film.bin"))
    assert refused.exit_code == 2
    assert "uploads.json is damaged; remove it" in refused.err
