"""Pipes without a reader: a cancelled caller does not go on waiting for them."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from strongroom.client.devices import opened_device, write_to_device

MIB = 1024 * 1024


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe without a reader."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


async def written(pipe: Path, block: bytes, begun: asyncio.Event) -> None:
    async with opened_device(pipe) as file:
        begun.set()
        await write_to_device(file, pipe, block)


async def test_all_of_a_block_arrives(pipe: Path) -> None:
    block = os.urandom(MIB)
    reading = asyncio.create_task(asyncio.to_thread(pipe.read_bytes))
    await written(pipe, block, asyncio.Event())
    assert await reading == block


async def test_a_pipe_that_nobody_opens_is_not_waited_for_by_who_is_cancelled(pipe: Path) -> None:
    task = asyncio.create_task(written(pipe, b"x", asyncio.Event()))
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
    task = asyncio.create_task(written(pipe, bytes(MIB), begun))
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
