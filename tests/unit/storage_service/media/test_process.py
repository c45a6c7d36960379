"""A reading process may misbehave: its earlier facts are kept, and the next job is read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from storage_service.media.frames import BROKEN, DIED, DONE
from storage_service.media.process import ReadingLimits, ReadingProcess
from storage_service.media.reader import masks_of, media_of
from tests.e2e import camera, samples

LIMITS = ReadingLimits(512 << 20, 1)


def test_it_loads_what_reads_media_and_no_rpc() -> None:
    """The process starts often and needs memory for everything it imports."""
    program = "import sys, storage_service.media.worker; print({'grpc', 'asyncio', 'ssl'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def nothing(offset: int, size: int) -> bytes:
    return bytes(size)


@pytest.fixture
async def mad() -> AsyncIterator[ReadingProcess]:
    process = ReadingProcess(LIMITS, "tests.doubles.mad_worker")
    yield process
    await process.aclose()


@pytest.mark.parametrize("deed", ["crash", "garbage", "spin", "hungry", "beyond", "talkative"])
async def test_whatever_it_does(mad: ReadingProcess, deed: str) -> None:
    told = await mad.read(f"image/{deed}", 100, nothing)
    assert told.ended == DIED
    assert (told.facts["width"], told.facts["height"]) == (1, 2)
    after = await mad.read("image/good", 100, nothing)
    assert (after.ended, after.facts) == (DONE, {"width": 1, "height": 2, "orientation": 3})


async def test_it_can_write_no_file(mad: ReadingProcess) -> None:
    assert (await mad.read("image/files", 100, nothing)).ended in {BROKEN, DIED}


async def test_what_the_store_says_is_the_owners_business(mad: ReadingProcess) -> None:
    async def gone(offset: int, size: int) -> bytes:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        await mad.read("image/beyond", 100, gone)
    assert (await mad.read("image/good", 100, nothing)).ended == DONE


async def test_it_knows_no_secret(monkeypatch: pytest.MonkeyPatch, mad: ReadingProcess) -> None:
    monkeypatch.setenv("STRONGROOM_INTERNAL_SECRET", "very secret")
    await mad.read("image/good", 100, nothing)
    pid = mad.pid
    assert pid is not None
    assert b"SECRET" not in environment(pid)
    await mad.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


BROKEN_FILES: Final = [
    ("image/png", b"", BROKEN),
    ("image/png", b"\x89PNG\r\n\x1a\n" + bytes(100), BROKEN),
    ("image/jpeg", camera.picture("JPEG")[:-300], BROKEN),
    ("image/gif", samples.png(), BROKEN),
    ("image/webp", b"RIFF\xff\xff\xff\x7fWEBPVP8X" + bytes(40), BROKEN),
    ("image/tiff", b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 200, BROKEN),
    ("image/svg+xml", b"<svg/>", DONE),
    ("image/jpeg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", BROKEN),
    ("video/mp4", bytes(3000), DONE),
    ("video/webm", b"\x1a\x45\xdf\xa3" + b"\xff" * 500, DONE),
    ("audio/mpeg", b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(500), DONE),
]


async def test_broken_files(reading: ReadingProcess) -> None:
    for kind, body, ended in BROKEN_FILES:

        async def fetch(offset: int, size: int, body: bytes = body) -> bytes:
            return body[offset : offset + size]

        assert (kind, (await reading.read(kind, len(body), fetch)).ended) == (kind, ended)


async def test_a_long_video_is_read_at_its_ends(reading: ReadingProcess) -> None:
    """`moov` is behind 4 GiB of pictures: only the necessary bytes are requested."""
    video = camera.video()
    head, tail = video[: video.index(b"mdat") - 4], video[video.index(b"moov") - 4 :]
    wide = head + b"\0\0\0\1mdat" + (16 + (4 << 30)).to_bytes(8, "big")
    size = len(wide) + (4 << 30) + len(tail)
    asked = []

    async def fetch(offset: int, length: int) -> bytes:
        asked.append(length)
        return bytes(
            wide[at] if at < len(wide) else tail[at - size + len(tail)] if at >= size - len(tail) else 0
            for at in range(offset, offset + length)
        )

    told = await reading.read("video/mp4", size, fetch)
    assert told.facts["duration_millis"] == 12000
    assert sum(asked) < 2 << 20


async def test_what_a_mad_process_tells_is_held_within_bounds() -> None:
    media = media_of(
        {
            "width": 10**12,
            "height": 3,
            "orientation": 9,
            "duration_millis": -1,
            "taken_at": "x" * 50,
            "thumbhash": "00" * 200,
        }
    )
    assert media.ByteSize() == 0
    assert masks_of({"masks": [[0, 10, ""], [95, 10, ""], [-1, 5, ""], [3, 0, ""]]}, 100)[0].length == 10
    assert len(masks_of({"masks": [[0, 10, ""], [95, 10, ""], [-1, 5, ""], [3, 0, ""]]}, 100)) == 1


@pytest.fixture
async def reading() -> AsyncIterator[ReadingProcess]:
    process = ReadingProcess(ReadingLimits(640 << 20, 10))
    yield process
    await process.aclose()
