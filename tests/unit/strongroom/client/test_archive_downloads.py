"""Streamed ZIPs, into files, links and targets that can't be replaced."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from strongroom import errors
from strongroom.client.archive_downloads import save_zip
from strongroom.client.retries import Attempts, Deadline, RetryPolicy
from strongroom.client.tokens import Tokens
from strongroom.storage.v1 import download_pb2

BROKEN = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "away")


class Call:
    """One stream: its pieces, then its end or ``BROKEN``."""

    def __init__(self, pieces: list[bytes], *, breaks: bool) -> None:
        self._pieces = pieces
        self._breaks = breaks

    async def __aiter__(self) -> AsyncIterator[download_pb2.DownloadArchiveResponse]:
        for piece in self._pieces:
            yield download_pb2.DownloadArchiveResponse(data=piece)
        if self._breaks:
            raise BROKEN

    def cancel(self) -> None:
        """Nothing is on its way."""


class Service:
    """A connection, and the method of it: ``calls`` one after the other."""

    def __init__(self, *calls: Call) -> None:
        self._calls: Iterator[Call] = iter(calls)

    def attempts(self, deadline: Deadline) -> Attempts:
        return Attempts(RetryPolicy(initial_backoff=0.001), Tokens(None), deadline, safe=True)

    async def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("x-request-id", "1"),)

    def __call__(self, _request: object, **_: object) -> Call:
        return next(self._calls)


async def saved(service: Any, path: Path) -> int:
    request = download_pb2.DownloadArchiveRequest()
    return await save_zip(service, service, request, path, on_progress=None, timeout=None)


async def test_a_stream_that_breaks_is_started_over_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    assert await saved(Service(Call([b"ab"], breaks=True), Call([b"ab", b"c"], breaks=False)), path) == 3
    assert path.read_bytes() == b"abc"


async def test_a_link_is_followed(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    await saved(Service(Call([b"abc"], breaks=False)), link)
    assert link.is_symlink()
    assert target.read_bytes() == b"abc"


async def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    end = os.open(path, os.O_RDWR)  # somebody has it open all the time
    try:
        assert await saved(Service(Call([], breaks=True), Call([b"abc"], breaks=False)), path) == 3
        assert os.read(end, 10) == b"abc"
    finally:
        os.close(end)
    assert stat.S_ISFIFO(path.stat().st_mode)


async def test_what_can_not_be_written_names_the_destination() -> None:
    with pytest.raises(OSError, match="/dev/full") as error:
        await saved(Service(Call([bytes(2 << 20)], breaks=False)), Path("/dev/full"))
    assert error.value.errno == errno.ENOSPC


async def test_what_a_pipe_has_got_is_not_sent_again(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    path = Path(f"/proc/self/fd/{write_end}")
    try:
        with pytest.raises(errors.ServiceUnavailable):
            await saved(Service(Call([b"abc"], breaks=True)), path)
        assert os.read(read_end, 10) == b"abc"
    finally:
        os.close(read_end)
        os.close(write_end)
