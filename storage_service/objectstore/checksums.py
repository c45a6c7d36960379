"""CRC-32C of bodies in pieces: extending, combining, and the base64 form of S3 headers.

The CRC of each byte is computed once, when its message arrives (``Counted``). The checksums of parts and of
the whole object are combined from those of their chunks, which takes microseconds instead of another 0.05 CPU
s/GiB.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

import google_crc32c

from storage_service.objectstore.values import Chunk

_POLYNOMIAL = 0x82F63B78
"""Castagnoli, bits reversed (RFC 3720 appendix B.4)."""
_ONE = 1 << 31
"""The polynomial 1 in reversed bit order."""
_COPY_SIZE = 64 * 1024
_COMBINE_FROM = 256 * 1024
"""For shorter chunks, computing the checksum again is quicker than combining."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A chunk with its CRC-32C."""

    data: Chunk
    crc32c: int

    def __len__(self) -> int:
        return len(self.data)

    @classmethod
    def of(cls, data: Chunk, *, tail_of: bytes = b"") -> Counted:
        """Compute the CRC-32C of ``data``. ``tail_of``: a message that ends with ``data``, if there is one.

        The C extension accepts only bytes. With the message, the CRC of all of it and of its beginning are
        computed and combined, which avoids the copy that cutting ``data`` out of it would be.
        """
        if len(data) < _COMBINE_FROM or not tail_of:
            return cls(data, extend(0, data))
        before = extend(0, tail_of[: len(tail_of) - len(data)])
        return cls(data, combine(before, extend(0, tail_of), len(data)))


def extend(crc32c: int, chunk: Chunk) -> int:
    """Return the CRC-32C of all bytes before (``crc32c``; 0 for none) followed by ``chunk``."""
    if isinstance(chunk, bytes):
        return int(google_crc32c.extend(crc32c, chunk))
    # The C extension accepts only bytes: copy in pieces that stay in the CPU's cache (0.03 CPU s/GiB).
    view = memoryview(chunk)
    for at in range(0, view.nbytes, _COPY_SIZE):
        crc32c = int(google_crc32c.extend(crc32c, bytes(view[at : at + _COPY_SIZE])))
    return crc32c


def append(crc32c: int, chunk: Counted) -> int:
    """Like ``extend``, but without reading the bytes of a long chunk again."""
    if len(chunk) < _COMBINE_FROM:
        return extend(crc32c, chunk.data)
    return combine(crc32c, chunk.crc32c, len(chunk))


def crc32c_of(chunks: Iterable[Chunk]) -> int:
    """Return the CRC-32C of the concatenated ``chunks``."""
    crc = 0
    for chunk in chunks:
        crc = extend(crc, chunk)
    return crc


def combine(first: int, second: int, second_size: int) -> int:
    """Return the CRC-32C of A + B from those of A and B and the size of B in bytes.

    Takes microseconds for sizes seen recently. Appending n zero bits multiplies a CRC by x^n modulo the
    polynomial; the initial and final inversions cancel out (zlib's crc32_combine does the same for CRC-32).
    The function is its own inverse: with the CRC of A + B as ``second``, it returns the CRC of B.
    """
    if second_size < 0:
        raise ValueError("second_size may not be negative")
    if first == 0:
        return second
    return _multiply(_power_of_x(8 * second_size), first) ^ second


def to_base64(crc32c: int) -> str:
    """Return the form of ``x-amz-checksum-crc32c``: big-endian, base64."""
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode("ascii")


def from_base64(text: str | None) -> int | None:
    """Return the checksum in an ``x-amz-checksum-crc32c``.

    None for a missing or invalid value, and for a composite one (``…-3``).
    """
    if not text:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return int.from_bytes(raw, "big") if len(raw) == 4 else None


def _multiply(a: int, b: int) -> int:
    """``a * b`` modulo the polynomial, reversed bit order."""
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ _POLYNOMIAL if b & 1 else b >> 1
    return product


@lru_cache(maxsize=64)
def _power_of_x(exponent: int) -> int:
    """``x ** exponent`` modulo the polynomial, by squaring."""
    result = _ONE
    for bit in range(exponent.bit_length()):
        if exponent >> bit & 1:
            result = _multiply(result, _square_of_x(bit))
    return result


@cache
def _square_of_x(times: int) -> int:
    """``x`` squared ``times`` times. The cache has at most as many values as the largest exponent has
    bits.
    """
    if times == 0:
        return _ONE >> 1
    root = _square_of_x(times - 1)
    return _multiply(root, root)
