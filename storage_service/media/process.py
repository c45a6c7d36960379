"""One reading process as its owner holds it: started when there is a job, replaced when it fails, let go when
idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from storage_service.media.frames import BROKEN, DIED, DONE, LENGTH, MOST_ASKED, MOST_TOLD

#: Bytes of one file that its reading may fetch: a picture is read whole, of a video the ends.
MOST_FETCHED: Final = 64 * 1024 * 1024
#: How long a job may take beside its processor time: fetching its bytes, and waiting for a processor.
PATIENCE_SECONDS: Final = 60.0
MOST_FRAMES: Final = 2000

Fetch = Callable[[int, int], Awaitable[bytes]]
"""Offset and length to bytes; raises what the store raises."""


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """Of one file. ``memory_bytes``: address space, the libraries' own 150 MiB included. ``seconds``: of a
    processor.
    """

    memory_bytes: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a job has told, and how its process ended: DONE, BROKEN (the file is), or DIED."""

    facts: dict[str, Any]
    ended: int


class ReadingProcess:
    """For one job at a time; not thread-safe."""

    def __init__(self, limits: ReadingLimits, program: str = "storage_service.media.worker") -> None:
        self._limits = limits
        self._program = program
        self._process: asyncio.subprocess.Process | None = None

    async def read(self, content_type: str, size: int, fetch: Fetch) -> Told:
        """Run one job. Raises what ``fetch`` raises; whatever else goes wrong is a job that has told
        little.
        """
        facts: dict[str, Any] = {}
        ended = DIED
        try:
            async with asyncio.timeout(PATIENCE_SECONDS + self._limits.seconds):
                process = await self._running()
                job = {
                    "content_type": content_type,
                    "size": size,
                    "budget": MOST_FETCHED,
                    "memory": self._limits.memory_bytes,
                    "seconds": self._limits.seconds,
                }
                ended = await _converse(process, job, facts, fetch)
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, ValueError):
            ended = DIED
        except BaseException:
            await self.aclose()
            raise
        if ended == DIED:  # it may be in the midst of anything
            await self.aclose()
        return Told(facts, ended)

    @property
    def pid(self) -> int | None:
        """While it runs."""
        return None if self._process is None else self._process.pid

    async def aclose(self) -> None:
        """End it, and what it has begun."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", self._program),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )
        return self._process


def _environment() -> dict[str, str]:
    """What it takes to import; none of the service's secrets."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LANG": "C.UTF-8", "PATH": os.defpath}


async def _converse(
    process: asyncio.subprocess.Process, job: dict[str, Any], facts: dict[str, Any], fetch: Fetch
) -> int:
    """Answer until it has ended; how."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("no pipes")
    await _send(process.stdin, json.dumps(job).encode())
    for _ in range(MOST_FRAMES):
        (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        if length > MOST_TOLD:
            raise ValueError("too long a frame")
        told = json.loads(await process.stdout.readexactly(length))
        if "ended" in told:
            return DONE if told["ended"] == DONE else BROKEN if told["ended"] == BROKEN else DIED
        if "facts" in told:
            facts |= told["facts"]
        else:
            offset, size = told["read"]
            if not (0 <= offset <= offset + size <= job["size"] and 0 < size <= MOST_ASKED):
                raise ValueError("bytes that are not there")
            await _send(process.stdin, await fetch(offset, size))
    raise ValueError("too many frames")


async def _send(stream: asyncio.StreamWriter, payload: bytes) -> None:
    stream.write(LENGTH.pack(len(payload)))
    stream.write(payload)
    await stream.drain()
