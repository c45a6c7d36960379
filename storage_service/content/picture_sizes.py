"""Reads the size of a picture from its header, without decoding, so a decompression bomb costs no more than
its header.

A picture of a few kilobytes may claim billions of pixels, and a program that shows it allocates memory for
all of them. Each reader takes the first bytes of a file and returns width and height, or ``None`` if it needs
more of them, or raises ``NoPicture``. The size of formats without a reader is unknown.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from storage_service.content.sniffing import is_text

MOST_HEADER_BYTES: Final = 1024 * 1024
"""How far into a file the size may stand behind other data (an ICC profile, a thumbnail)."""


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


UNKNOWN: Final = Size(-1, -1)
"""The size of a picture without a size in pixels, or in a format that has no reader here."""


class NoPicture(Exception):
    """The bytes are not a picture of the declared type."""


def size_of(content_type: str, head: bytes) -> Size | None:
    """Return width and height, ``UNKNOWN``, or ``None`` if they are not within ``head``. Raises NoPicture."""
    if not head:
        raise NoPicture
    reader = _READERS.get(content_type)
    if reader is None:
        if content_type not in _TEXTUAL and is_text(head, legacy=False):
            raise NoPicture
        return UNKNOWN
    try:
        size = reader(head)
    except (struct.error, IndexError):
        return None
    if size is not None and size != UNKNOWN and min(size) <= 0:
        raise NoPicture
    return size


def _png(head: bytes) -> Size | None:
    if not b"\x89PNG\r\n\x1a\n".startswith(head[:8]) or head[12:16] not in {b"IHDR", b""}:
        raise NoPicture
    return Size(*struct.unpack_from(">II", head, 16))


def _gif(head: bytes) -> Size | None:
    """Return the size of the screen, or of the largest frame if that is larger."""
    if head[:6] not in {b"GIF87a", b"GIF89a"}:
        raise NoPicture
    width, height, flags = struct.unpack_from("<HHB", head, 6)
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    frames = list(_gif_frames(head, at))
    if not frames:
        return None
    return max([Size(width, height), *frames], key=lambda size: size.width * size.height)


#: Limit on extensions, frames and pieces of their data; what follows is not read, like bytes behind the
#: header.
_MOST_BLOCKS: Final = 10_000


def _gif_frames(head: bytes, at: int) -> Iterator[Size]:
    left = _MOST_BLOCKS
    while at < len(head) and left > 0:
        if head[at] == 0x21:  # an extension
            at += 2
        elif head[at] == 0x2C and at + 10 <= len(head):
            width, height, flags = struct.unpack_from("<HHB", head, at + 5)
            yield Size(width, height)
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        else:
            return
        left -= 1
        while at < len(head) and head[at] and left > 0:
            at += head[at] + 1
            left -= 1
        at += 1


#: Formats that are text. Under other names without a reader, text is not a picture.
_TEXTUAL: Final = frozenset(
    {
        "image/x-eps",
        "image/x-portable-anymap",
        "image/x-portable-bitmap",
        "image/x-portable-graymap",
        "image/x-portable-pixmap",
        "image/x-xbitmap",
        "image/x-xpixmap",
    }
)
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
#: Real files have a few dozen before the frame; each costs the loop half a microsecond.
_MOST_SEGMENTS: Final = 10_000
_FILLING: Final = re.compile(rb"\xff++")


def _jpeg(head: bytes) -> Size | None:
    """Return the size in the frame header, skipping other segments such as EXIF and its thumbnail (ITU T.81,
    B.1).
    """
    if head[:2] != b"\xff\xd8":
        raise NoPicture
    at = 2
    for _ in range(_MOST_SEGMENTS):
        at = head.index(b"\xff", at) if head.find(b"\xff", at) >= 0 else len(head)
        if filling := _FILLING.match(head, at):
            at = filling.end()
        marker = head[at]
        at += 1
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 3)
            return Size(width, height)
        if marker in {0xD9, 0xDA}:
            raise NoPicture  # the end, or a scan, without a frame
        if marker and marker not in _ALONE:
            (length,) = struct.unpack_from(">H", head, at)
            at += max(length, 2)
    raise NoPicture


def _webp(head: bytes) -> Size | None:
    if head[:4] != b"RIFF" or head[8:12] not in {b"WEBP", b""}:
        raise NoPicture
    kind = head[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(head[24:27], "little") + 1
        height = int.from_bytes(head[27:30], "little") + 1
        return Size(width, height) if len(head) >= 30 else None
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        if head[20] != 0x2F:
            raise NoPicture
        return Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        if head[23:26] != b"\x9d\x01\x2a":
            raise NoPicture
        return Size(width & 0x3FFF, height & 0x3FFF)
    if len(head) >= 16:
        raise NoPicture
    return None


def _bmp(head: bytes) -> Size | None:
    if head[:2] != b"BM":
        raise NoPicture
    return _bitmap(head, 14)


def _bitmap(head: bytes, at: int) -> Size:
    """Read a BITMAPCOREHEADER or one of its successors. A negative height marks a picture stored from the top
    down.
    """
    (length,) = struct.unpack_from("<I", head, at)
    if length == 12:
        return Size(*struct.unpack_from("<HH", head, at + 4))
    if not 16 <= length <= 1024:
        raise NoPicture
    width, height = struct.unpack_from("<ii", head, at + 4)
    return Size(width, abs(height))


#: Real files have about a dozen; the 16-bit count allows 65,535.
_MOST_ICONS: Final = 256


def _ico(head: bytes) -> Size | None:
    """Return the largest entry. Sizes of PNGs and bitmaps inside come from their own headers."""
    reserved, kind, count = struct.unpack_from("<HHH", head)
    if reserved or kind not in {1, 2} or not 0 < count <= _MOST_ICONS:
        raise NoPicture
    sizes = []
    for number in range(count):
        width, height, offset = struct.unpack_from("<BB10xI", head, 6 + 16 * number)
        sizes.append(Size(width or 256, height or 256))
        if head[offset : offset + 8] == b"\x89PNG\r\n\x1a\n":
            sizes.append(Size(*struct.unpack_from(">II", head, offset + 16)))
        elif offset + 16 <= len(head):
            sizes.append(_bitmap(head, offset))
    return max(sizes, key=lambda size: size.width * size.height)


_TIFF_FORMATS: Final = {3: "H", 4: "I", 16: "Q"}
#: Tags are in ascending order, and the size is among the first.
_MOST_TAGS: Final = 1024


def _tiff(head: bytes) -> Size | None:
    """Read the first directory. Its size is unknown if it is at the end, as in files written by a stream."""
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None:
        raise NoPicture
    version, at = struct.unpack_from(f"{order}HI", head, 2)
    if version not in {42, 43, 0x4F52, 0x5352, 0x55}:
        raise NoPicture
    if version == 43:  # BigTIFF
        (at,) = struct.unpack_from(f"{order}Q", head, 8)
    if at < 8:
        raise NoPicture
    wide = version == 43
    try:
        (count,) = struct.unpack_from(f"{order}{'Q' if wide else 'H'}", head, at)
        return _tiff_size(head, order, at + (8 if wide else 2), count, wide=wide)
    except struct.error:
        return UNKNOWN


def _tiff_size(head: bytes, order: str, at: int, count: int, *, wide: bool) -> Size:
    step, value_at, found = (20, 12, {}) if wide else (12, 8, dict[int, int]())
    for number in range(min(count, _MOST_TAGS)):
        tag, kind = struct.unpack_from(f"{order}HH", head, at + step * number)
        if tag in {256, 257} and kind in _TIFF_FORMATS:
            where = at + step * number + value_at
            (found[tag],) = struct.unpack_from(f"{order}{_TIFF_FORMATS[kind]}", head, where)
    if len(found) < 2:
        raise NoPicture
    return Size(found[256], found[257])


_BOX: Final = struct.Struct(">I4s")
#: Boxes that contain a picture's properties, from outside to inside (ISO 23008-12 section 6).
_WAY_TO_SIZES: Final = (b"meta", b"iprp", b"ipco")
#: As many as a 15-bit index can address. The boxes around them have a few dozen.
_MOST_PROPERTIES: Final = 1 << 15
_MOST_BOXES: Final = 1024


def _isobmff(head: bytes) -> Size | None:
    """Return the largest ``ispe`` of a HEIC or AVIF, of the picture or of the tiles it consists of."""
    if head[4:8] not in {b"ftyp", b""}:
        raise NoPicture
    begin, end = 0, len(head)
    for wanted in _WAY_TO_SIZES:
        for kind, inside, after in _boxes(head, begin, end):
            if kind == wanted:
                begin, end = inside + (4 if kind == b"meta" else 0), after
                break
        else:
            return None
        if end > len(head):
            return None
    sizes = [
        Size(*struct.unpack_from(">II", head, inside + 4))
        for kind, inside, _ in _boxes(head, begin, end, _MOST_PROPERTIES)
        if kind == b"ispe"
    ]
    if not sizes:
        raise NoPicture
    return max(sizes, key=lambda size: size.width * size.height)


def _boxes(head: bytes, at: int, end: int, most: int = _MOST_BOXES) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start of the content and end of each box; the last may extend beyond ``head``."""
    for _ in range(most):
        if at + 8 > min(end, len(head)):
            return
        size, kind = _BOX.unpack_from(head, at)
        inside = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", head, inside)
            inside += 8
        elif size == 0:
            size = end - at
        if size < inside - at:
            raise NoPicture
        yield kind, inside, at + size
        at += size
    raise NoPicture


_SVG: Final = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?svg[\s/>]")


def _svg(head: bytes) -> Size | None:
    """Check that the text contains an svg element; its size is always UNKNOWN."""
    text = head.replace(b"\0", b"")  # reduces UTF-16 and UTF-32 markup to ASCII
    return UNKNOWN if _SVG.search(text) else None


def _psd(head: bytes) -> Size | None:
    if head[:4] != b"8BPS":
        raise NoPicture
    height, width = struct.unpack_from(">II", head, 14)
    return Size(width, height)


def _jp2(head: bytes) -> Size | None:
    at = head.find(b"ihdr")
    if head[4:8] not in {b"jP  ", b""}:
        raise NoPicture
    if at < 0:
        return None
    height, width = struct.unpack_from(">II", head, at + 4)
    return Size(width, height)


_READERS: Final[Mapping[str, Callable[[bytes], Size | None]]] = {
    "image/apng": _png,
    "image/avif": _isobmff,
    "image/bmp": _bmp,
    "image/gif": _gif,
    "image/heic": _isobmff,
    "image/heif": _isobmff,
    "image/jp2": _jp2,
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/svg+xml": _svg,
    "image/tiff": _tiff,
    "image/vnd.adobe.photoshop": _psd,
    "image/vnd.microsoft.icon": _ico,
    "image/webp": _webp,
    "image/x-icon": _ico,
}
