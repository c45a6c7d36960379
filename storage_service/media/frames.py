"""The protocol between a reading process and its owner: frames with a length of four bytes."""

from __future__ import annotations

import io
import json
import os
import struct
from typing import Any, Final

LENGTH: Final = struct.Struct(">I")
#: The most bytes of one answer to a request for bytes.
MOST_ASKED: Final = 4 * 1024 * 1024
#: The largest request, or facts. Only a broken process comes near it.
MOST_TOLD: Final = 256 * 1024
#: How a job's process ends: all facts were sent; the file is broken, and some facts may be missing; the
#: process was killed, by a limit or otherwise.
DONE, BROKEN, DIED = 0, 2, 3
BLOCK: Final = 128 * 1024


class TooMuch(OSError):
    """Reading the file would cost more than its budget."""


def read_frame(fd: int) -> bytes | None:
    """The next frame; None at the end."""
    head = _read_exactly(fd, LENGTH.size)
    return None if head is None else _read_exactly(fd, LENGTH.unpack(head)[0])


def write_frame(fd: int, payload: bytes) -> None:
    """Write the whole frame."""
    view = memoryview(LENGTH.pack(len(payload)) + payload)
    while view:
        view = view[os.write(fd, view) :]


def tell(fd: int, **facts: Any) -> None:
    """Write a frame of JSON."""
    write_frame(fd, json.dumps(facts).encode())


def _read_exactly(fd: int, size: int) -> bytes | None:
    pieces, missing = list[bytes](), size
    while missing:
        piece = os.read(fd, min(missing, 1 << 20))
        if not piece:
            return None
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


class RemoteFile(io.RawIOBase):
    """A stored file of ``size`` bytes. Its bytes are requested when needed, at most ``budget`` of them.

    A read that continues where the last one ended requests twice as much each time. Raises TooMuch.
    """

    def __init__(self, size: int, budget: int, asks: int, answers: int) -> None:
        super().__init__()
        self.size = size
        self._budget = budget
        self._asks = asks
        self._answers = answers
        self._at = 0
        self._blocks: dict[int, bytes] = {}
        self._ended, self._step = -1, 1

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        wanted = self.size - self._at if size is None or size < 0 else min(size, self.size - self._at)
        piece = self.at(self._at, max(wanted, 0))
        self._at += len(piece)
        return piece

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def at(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset``; fewer at the end of the file."""
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        first, last = offset // BLOCK, (end - 1) // BLOCK
        for number in range(first, last + 1):
            if number not in self._blocks:
                self._fetch(number, last + 1 - number)
        whole = b"".join(self._blocks[number] for number in range(first, last + 1))
        return whole[offset - first * BLOCK : end - first * BLOCK]

    def _fetch(self, number: int, wanted: int) -> None:
        self._step = self._step * 2 if number == self._ended else 1
        count = min(max(self._step, wanted), MOST_ASKED // BLOCK)
        for ahead in range(1, count):
            if number + ahead in self._blocks:
                count = ahead
                break
        begin = number * BLOCK
        size = min(count * BLOCK, self.size - begin)
        self._budget -= size
        if self._budget < 0:
            raise TooMuch("the budget is spent")
        tell(self._asks, read=[begin, size])
        answer = read_frame(self._answers)
        if answer is None or len(answer) != size:
            raise TooMuch("no bytes came")
        for at in range(0, size, BLOCK):
            self._blocks[number + at // BLOCK] = answer[at : at + BLOCK]
        self._ended = number + -(-size // BLOCK)
