"""CRC-32C of bodies in pieces: extending, combining, and the base64 form of S3 headers.

The hardware CRC costs about 0.02 CPU s/GiB, so every byte is counted once, per part, and the checksum of the
whole object is combined from those of its parts instead of being counted a second time.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

import google_crc32c

from storage_service.objects import Chunk

_POLYNOMIAL = 0x82F63B78
"""Castagnoli, bits reversed (RFC 3720 appendix B.4)."""
_ONE = 1 << 31
"""The polynomial 1 in reversed bit order."""
_COPY_SIZE = 64 * 1024


def extend(crc32c: int, chunk: Chunk) -> int:
    """CRC-32C of everything before (``crc32c``; 0 for nothing) followed by ``chunk``."""
    if isinstance(chunk, bytes):
        return int(google_crc32c.extend(crc32c, chunk))
    # the C extension takes bytes only: copy in pieces that stay in the cache (0.03 CPU s/GiB)
    view = memoryview(chunk)
    for at in range(0, view.nbytes, _COPY_SIZE):
        crc32c = int(google_crc32c.extend(crc32c, bytes(view[at : at + _COPY_SIZE])))
    return crc32c


def crc32c_of(chunks: Iterable[Chunk]) -> int:
    """CRC-32C of ``chunks`` in their order."""
    crc = 0
    for chunk in chunks:
        crc = extend(crc, chunk)
    return crc


def combine(first: int, second: int, second_size: int) -> int:
    """CRC-32C of A + B from those of A and B and the size of B in bytes; some 100 µs whatever the size.

    Appending n zero bits multiplies a CRC by x^n modulo the polynomial; the initial and final inversions
    cancel out (zlib's crc32_combine does the same for CRC-32).
    """
    if second_size < 0:
        raise ValueError("second_size may not be negative")
    return _multiply(_power_of_x(8 * second_size), first) ^ second


def to_base64(crc32c: int) -> str:
    """The form of ``x-amz-checksum-crc32c``: big-endian, base64."""
    return base64.b64encode(crc32c.to_bytes(4, "big")).decode("ascii")


def from_base64(text: str | None) -> int | None:
    """Back from ``x-amz-checksum-crc32c``.

    None for nothing, for garbage, and for a composite value (``…-3``).
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


def _power_of_x(exponent: int) -> int:
    """``x ** exponent`` modulo the polynomial, by squaring."""
    result, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            result = _multiply(result, square)
        square = _multiply(square, square)
        exponent >>= 1
    return result
