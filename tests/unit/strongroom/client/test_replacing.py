"""Errors about unwritable targets name the caller's file, not the temporary one beside it."""

from __future__ import annotations

import asyncio
import errno
import resource
from pathlib import Path

import pytest

from strongroom.client.replacing import replacing


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
    """Also when what the file still buffers can't be written as it is closed."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(OSError, match=r"x\.zip") as error:
            await written(tmp_path / "x.zip")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.value.errno == errno.EFBIG
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
