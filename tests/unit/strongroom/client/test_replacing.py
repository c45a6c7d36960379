"""Errors about unwritable targets name the caller's file, not the temporary one beside it."""

from __future__ import annotations

import asyncio
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
