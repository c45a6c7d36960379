"""The bytes sent: one pseudo-random block of 1 MiB, repeated.

The sink answers every download with the same block repeated, so reads return what was written.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache

MIB = 1 << 20
GIB = 1 << 30
BLOCK = MIB
_MASK = (1 << 64) - 1
#: As long as curl's: the cost of searching for a boundary depends on its length.
BOUNDARY = "------------------------d74496d66958873e4Kq9Zb"


@cache
def block() -> bytes:
    """The 1 MiB block: xorshift64* from a fixed seed, exactly as in sink/sink.c."""
    state = 88172645463325252
    words = []
    for _ in range(BLOCK // 8):
        state ^= state >> 12
        state = (state ^ (state << 25)) & _MASK
        state ^= state >> 27
        words.append((state * 2685821657736338717) & _MASK)
    return struct.pack(f"<{len(words)}Q", *words)


def chunks(size: int) -> Iterator[memoryview]:
    """`size` bytes of payload in pieces of up to 1 MiB, without copies."""
    view = memoryview(block())
    for offset in range(0, size, BLOCK):
        yield view[: min(BLOCK, size - offset)]


class Reader:
    """`size` bytes of payload as a binary file that can be read once, for boto3's upload_fileobj.

    A read costs one copy, as it would from a file in the page cache.
    """

    _SPAN = 17

    def __init__(self, size: int) -> None:
        self._left = size
        self._at = 0
        self._blocks = block() * self._SPAN

    def read(self, limit: int = -1) -> bytes:
        """Up to `limit` bytes (all that are left when negative; 16 MiB at most); empty at the end."""
        wanted = self._left if limit < 0 else min(limit, self._left)
        size = min(wanted, (self._SPAN - 1) * BLOCK)
        data = self._blocks[self._at : self._at + size]
        self._at = (self._at + size) % BLOCK
        self._left -= size
        return data


def form(filename: str = "payload.bin") -> tuple[bytes, bytes]:
    """The bytes before and after the file in a multipart/form-data body with one part."""
    before = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return before.encode(), f"\r\n--{BOUNDARY}--\r\n".encode()
