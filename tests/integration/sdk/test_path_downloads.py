"""Downloads to a path: the old content or the new, resumed, verified."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import random
import threading
from pathlib import Path
from typing import IO

import pytest

from strongroom import errors
from strongroom.client import AsyncClient, AtPath, RetryPolicy, StoredFile, partials
from tests.integration.sdk.fakes.server import Fakes
from tests.integration.sdk.fakes.state import Fault, State, token

MIB = 1024 * 1024
DATA = random.Random(2).randbytes(9 * MIB + 5)
GONE = errors.ServiceUnavailable("gone for a moment")


@pytest.fixture
async def stored(client: AsyncClient) -> StoredFile:
    return await client.upload(DATA, AtPath("photo.jpg"), filename="photo.jpg")


@pytest.fixture
async def hasty(fakes: Fakes) -> AsyncClient:
    """A client that does not retry."""
    policy = RetryPolicy(attempts=1)
    return AsyncClient(fakes.storage_address, fakes.metadata_address, token=token(), retry=policy)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_arrives_whole(client: AsyncClient, stored: StoredFile, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    done = await client.download(
        stored, tmp_path / "new.jpg", on_progress=lambda count, total: seen.append((count, total))
    )
    assert done.path == tmp_path / "new.jpg"
    assert done.file == stored
    assert done.path.read_bytes() == DATA
    assert names(tmp_path) == ["new.jpg"]
    assert seen[-1] == (len(DATA), len(DATA))
    assert seen == sorted(seen)


@pytest.mark.parametrize("data", [b"", b"x"])
async def test_small_files_arrive_too(data: bytes, client: AsyncClient, tmp_path: Path) -> None:
    done = await client.download(await client.upload(data), tmp_path / "small")
    assert done.path.read_bytes() == data
    assert names(tmp_path) == ["small"]


async def test_a_folder_gets_the_stored_name(client: AsyncClient, tmp_path: Path) -> None:
    file = await client.upload(b"x", filename="../.evil\n.sh")
    done = await client.download(file, tmp_path)
    assert done.path.parent == tmp_path
    assert done.path.name == "_._.evil_.sh"
    assert done.path.read_bytes() == b"x"


async def test_a_failure_leaves_the_old_content_and_a_second_call_goes_on(
    client: AsyncClient, hasty: AsyncClient, state: State, stored: StoredFile, tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"old")
    state.download_faults = [Fault(GONE, after_bytes=8 * MIB)]
    async with hasty:
        with pytest.raises(errors.ServiceUnavailable):
            await hasty.download(stored, path)
    assert path.read_bytes() == b"old"
    (partial,) = [name for name in names(tmp_path) if name != "photo.jpg"]
    assert partial.startswith(".photo.jpg.")
    assert partial.endswith(".part")
    seen: list[int] = []
    await client.download(stored, path, on_progress=lambda count, _total: seen.append(count))
    assert path.read_bytes() == DATA
    assert names(tmp_path) == ["photo.jpg"]
    assert min(seen) > 8 * MIB


async def test_without_resume_nothing_is_left(
    hasty: AsyncClient, state: State, stored: StoredFile, tmp_path: Path
) -> None:
    state.download_faults = [Fault(GONE, after_bytes=8 * MIB)]
    async with hasty:
        with pytest.raises(errors.ServiceUnavailable):
            await hasty.download(stored, tmp_path / "a", resume=False)
    assert names(tmp_path) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
async def test_a_disk_that_fails_is_told_by_the_callers_path(
    code: int, client: AsyncClient, stored: StoredFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(code, os.strerror(code))

    opened = partials._open_locked

    def open_failing(path: Path) -> IO[bytes] | None:
        file = opened(path)
        if file is not None:
            file.close()
        path.write_bytes(DATA[:MIB])  # left by an earlier attempt
        return Failing(DATA[:MIB])

    monkeypatch.setattr(partials, "_open_locked", open_failing)
    with pytest.raises(OSError, match=os.strerror(code)) as failed:
        await client.download(stored, tmp_path / "photo.jpg")
    assert (failed.value.errno, failed.value.filename) == (code, str(tmp_path / "photo.jpg"))
    kept = code == errno.EIO  # if space is short, the partial file fills the disk
    assert [name.endswith(".part") for name in names(tmp_path)] == [True] * kept


async def leave_partial(hasty: AsyncClient, state: State, stored: StoredFile, path: Path) -> Path:
    """Leave the first 8 MiB, as a broken download does."""
    state.download_faults = [Fault(GONE, after_bytes=8 * MIB)]
    async with hasty:
        with pytest.raises(errors.ServiceUnavailable):
            await hasty.download(stored, path)
    (partial,) = path.parent.iterdir()
    assert partial.stat().st_size == 8 * MIB
    return partial


async def test_a_partial_file_that_was_damaged_is_dropped(
    client: AsyncClient, hasty: AsyncClient, state: State, stored: StoredFile, tmp_path: Path
) -> None:
    partial = await leave_partial(hasty, state, stored, tmp_path / "a")
    with partial.open("r+b") as file:
        file.write(b"damage")
    await client.download(stored, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == DATA
    assert names(tmp_path) == ["a"]


async def test_a_partial_file_may_be_complete_or_too_long(
    client: AsyncClient, hasty: AsyncClient, state: State, stored: StoredFile, tmp_path: Path
) -> None:
    partial = await leave_partial(hasty, state, stored, tmp_path / "a")
    for left in (DATA, DATA + b"too much"):
        partial.write_bytes(left)
        await client.download(stored, tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == DATA


async def test_bytes_of_replaced_content_are_not_taken_up(
    client: AsyncClient, hasty: AsyncClient, state: State, stored: StoredFile, tmp_path: Path
) -> None:
    await leave_partial(hasty, state, stored, tmp_path / "a")
    other = DATA[::-1]
    await client.upload(other, AtPath("photo.jpg"))
    await client.download(stored.key, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == other
    assert names(tmp_path) == ["a"]


async def test_content_that_is_replaced_meanwhile_is_fetched_anew(
    client: AsyncClient, state: State, stored: StoredFile, tmp_path: Path
) -> None:
    other = DATA[::-1]
    replaced: list[asyncio.Task[StoredFile]] = []

    def replace(_count: int, _total: int | None) -> None:
        if not replaced:
            state.download_faults = [None, Fault(GONE, after_bytes=0)]
            state.commit("alice", replacement.target_spec, other)
            replaced.append(asyncio.create_task(client.get(stored)))

    replacement = Replacement()
    state.download_faults = [Fault(GONE, after_bytes=5 * MIB)]
    await client.download(stored, tmp_path / "a", on_progress=replace)
    assert (tmp_path / "a").read_bytes() == other
    assert (await replaced[0]).generation == 2
    assert names(tmp_path) == ["a"]


class Replacement:
    """The spec of an upload to the same path."""

    def __init__(self) -> None:
        from strongroom.metadata.v1 import target_pb2

        self.target_spec = target_pb2.UploadSpec(target=AtPath("photo.jpg").to_proto())


async def test_damaged_bytes_never_get_into_place(
    client: AsyncClient, state: State, stored: StoredFile, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    state.corrupt = lambda data: data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(errors.ChecksumMismatch):
        await client.download(stored, path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


async def test_a_cancelled_download_can_go_on(
    client: AsyncClient, stored: StoredFile, tmp_path: Path
) -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(client.download(stored, tmp_path / "a", on_progress=lambda *_: begun.set()))
    await asyncio.wait_for(begun.wait(), 60)
    task.cancel()
    await asyncio.wait({task})
    if task.cancelled():
        assert not (tmp_path / "a").exists()
    await client.download(stored, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == DATA
    assert names(tmp_path) == ["a"]


async def test_two_downloads_to_one_path_do_not_spoil_each_other(
    client: AsyncClient, stored: StoredFile, tmp_path: Path
) -> None:
    await asyncio.gather(*(client.download(stored, tmp_path / "a") for _ in range(4)))
    assert (tmp_path / "a").read_bytes() == DATA
    assert names(tmp_path) == ["a"]


async def test_a_link_is_followed_and_stays(client: AsyncClient, stored: StoredFile, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "a")
    await client.download(stored, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "a").read_bytes() == DATA


async def test_a_pipe_is_written_to_not_replaced(
    client: AsyncClient, stored: StoredFile, tmp_path: Path
) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()
    told: list[tuple[int, int | None]] = []
    await client.download(stored, path, on_progress=lambda *now: told.append(now))
    await asyncio.to_thread(reader.join)
    assert received == [DATA]
    assert told[-1] == (len(DATA), len(DATA))
    assert path.is_fifo()


async def test_a_pipe_without_a_path_is_written_to(client: AsyncClient, stored: StoredFile) -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as pipe:
        reader = asyncio.create_task(asyncio.to_thread(pipe.read, len(DATA)))
        try:
            await client.download(stored, f"/dev/fd/{write_end}")
            assert await reader == DATA
        finally:
            os.close(write_end)


async def test_a_folder_that_is_missing_is_told(
    client: AsyncClient, stored: StoredFile, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        await client.download(stored, tmp_path / "none" / "a")


async def test_what_is_not_there_leaves_nothing(client: AsyncClient, tmp_path: Path) -> None:
    with pytest.raises(errors.FileNotFound):
        await client.download("paths/alice/none", tmp_path / "a")
    assert names(tmp_path) == []
