"""One reading process from its owner's side: starts it for a job, replaces it after a failure, stops it when
idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from storage_service.media.frames import BROKEN, DIED, DONE, LENGTH, MOST_ASKED, MOST_TOLD

#: The most bytes of one file fetched for reading: a picture is read whole, a video at both ends.
MOST_FETCHED: Final = 64 * 1024 * 1024
#: Time a job may take beside its processor time, for fetching bytes and waiting for a processor.
PATIENCE_SECONDS: Final = 60.0
MOST_FRAMES: Final = 2000

Fetch = Callable[[int, int], Awaitable[bytes]]
"""Offset and length → bytes. Raises what the store raises."""


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """Limits for one file. ``memory_bytes``: address space, 150 MiB of the libraries included. ``seconds``:
    processor time.
    """

    memory_bytes: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Told:
    """The facts that a job has sent, and how its process ended: DONE, BROKEN (the file is broken), or
    DIED.
    """

    facts: dict[str, Any]
    ended: int


class ReadingProcess:
    """Runs one job at a time; not thread-safe."""

    def __init__(self, limits: ReadingLimits, program: str = "storage_service.media.worker") -> None:
        self._limits = limits
        self._program = program
        self._running: _Running | None = None

    async def read(self, content_type: str, size: int, fetch: Fetch) -> Told:
        """Run one job. Raises what ``fetch`` raises; any other failure gives the facts so far, and DIED."""
        facts: dict[str, Any] = {}
        ended = DIED
        try:
            async with asyncio.timeout(PATIENCE_SECONDS + self._limits.seconds):
                running = await self._started()
                job = {
                    "content_type": content_type,
                    "size": size,
                    "budget": MOST_FETCHED,
                    "memory": self._limits.memory_bytes,
                    "seconds": self._limits.seconds,
                }
                ended = await _converse(running, job, facts, fetch)
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, ValueError):
            ended = DIED
        except BaseException:
            await self.aclose()
            raise
        if ended == DIED:  # the process may be in any state
            await self.aclose()
        return Told(facts, ended)

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return None if self._running is None else self._running.process.pid

    async def aclose(self) -> None:
        """Kill the process and its children."""
        running, self._running = self._running, None
        if running is None:
            return
        running.writer.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGKILL)
        await asyncio.to_thread(running.process.wait)

    async def _started(self) -> _Running:
        if self._running is not None and self._running.process.poll() is not None:
            self._running.writer.close()
            self._running = None
        if self._running is None:
            self._running = await _start(self._program)
        return self._running


@dataclass(frozen=True, slots=True)
class _Running:
    process: subprocess.Popen[bytes]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def _start(program: str) -> _Running:
    """Start the program in a thread: uvloop would fork, which is slow and noisy with gRPC's threads and
    handlers.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = await asyncio.to_thread(
                lambda: subprocess.Popen(
                    [sys.executable, "-m", program],
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,
                    env=_environment(),
                    start_new_session=True,
                )
            )
        except BaseException:
            ours.close()
            raise
    return _Running(process, *await asyncio.open_connection(sock=ours))


def _environment() -> dict[str, str]:
    """The variables that Python needs to import modules; none of the service's secrets."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LANG": "C.UTF-8", "PATH": os.defpath}


async def _converse(running: _Running, job: dict[str, Any], facts: dict[str, Any], fetch: Fetch) -> int:
    """Answer the process until it ends. Returns how it ended."""
    await _send(running.writer, json.dumps(job).encode())
    for _ in range(MOST_FRAMES):
        (length,) = LENGTH.unpack(await running.reader.readexactly(LENGTH.size))
        if length > MOST_TOLD:
            raise ValueError("too long a frame")
        told = json.loads(await running.reader.readexactly(length))
        if "ended" in told:
            return DONE if told["ended"] == DONE else BROKEN if told["ended"] == BROKEN else DIED
        if "facts" in told:
            facts |= told["facts"]
        else:
            offset, size = told["read"]
            if not (0 <= offset <= offset + size <= job["size"] and 0 < size <= MOST_ASKED):
                raise ValueError("bytes that are not there")
            await _send(running.writer, await fetch(offset, size))
    raise ValueError("too many frames")


async def _send(stream: asyncio.StreamWriter, payload: bytes) -> None:
    stream.write(LENGTH.pack(len(payload)))
    stream.write(payload)
    await stream.drain()
