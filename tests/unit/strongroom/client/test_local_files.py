"""Errors about unwritable targets name the caller's file, not the temporary one beside it; a cancelled caller
does not go on waiting for a pipe without a reader.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import threading
from pathlib import Path

import pytest

from strongroom.client.local_files import opened_device, opened_in_worker, replacing, write_to_device

MIB = 1024 * 1024


async def written(destination: Path) -> None:
    async with replacing(destination) as file:
        file.write(b"x")


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        await written(tmp_path / "none" / "x.zip")
    assert error.value.filename == str(tmp_path / "none")


async def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError) as error:
        await written(tmp_path / "file" / "x.zip")
    assert error.value.filename == str(tmp_path / "file" / "x.zip")


def test_a_destination_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x.zip").mkdir()
    with pytest.raises(IsADirectoryError) as error:
        asyncio.run(written(tmp_path / "x.zip"))
    assert error.value.filename == str(tmp_path / "x.zip")
    assert [one.name for one in tmp_path.iterdir()] == ["x.zip"]


async def test_nothing_is_left_on_a_full_disk(tmp_path: Path) -> None:
    """Also if the rest of the buffer can't be written when the file is closed."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(OSError, match=r"x\.zip") as error:
            await written(tmp_path / "x.zip")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.value.errno == errno.EFBIG
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))


async def test_nothing_is_left_by_who_is_cancelled_while_it_is_opened(tmp_path: Path) -> None:
    for turns in range(8):
        task = asyncio.create_task(written(tmp_path / "x.zip"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        left = await asyncio.to_thread(lambda: {path.name for path in tmp_path.iterdir()})
        assert left <= {"x.zip"}, f"after {turns} turns"


async def test_what_is_opened_for_nobody_is_undone() -> None:
    opening, may_end = asyncio.Event(), threading.Event()
    loop, undone = asyncio.get_running_loop(), list[str]()

    def opened() -> str:
        loop.call_soon_threadsafe(opening.set)
        may_end.wait(60)
        return "a file"

    task = asyncio.create_task(opened_in_worker(undone.append, opened))
    await opening.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert undone == ["a file"]


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe without a reader."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


async def sent(pipe: Path, block: bytes, begun: asyncio.Event) -> None:
    async with opened_device(pipe) as file:
        begun.set()
        await write_to_device(file, pipe, block)


async def test_all_of_a_block_arrives(pipe: Path) -> None:
    block = os.urandom(MIB)
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_bytes))
    await sent(pipe, block, asyncio.Event())
    assert await reading == block


async def test_a_pipe_that_nobody_opens_is_not_waited_for_by_who_is_cancelled(pipe: Path) -> None:
    task = asyncio.create_task(sent(pipe, b"x", asyncio.Event()))
    await asyncio.sleep(0.01)
    (waiting,) = [thread for thread in threading.enumerate() if thread.name == "strongroom-device"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    await asyncio.to_thread(waiting.join, 60)
    await asyncio.sleep(0)  # what it has opened is closed
    assert os.read(reader, 1) == b""
    os.close(reader)


async def test_nor_one_that_nobody_reads(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    begun = asyncio.Event()
    task = asyncio.create_task(sent(pipe, bytes(MIB), begun))
    await begun.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    os.close(reader)


async def test_a_reader_that_has_gone_is_told_with_its_name(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    async with opened_device(pipe) as file:
        os.close(reader)
        with pytest.raises(BrokenPipeError, match="pipe"):
            await write_to_device(file, pipe, b"x")
