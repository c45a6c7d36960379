"""Pictures and videos like those of cameras: with orientation, time and place."""

from __future__ import annotations

import io
import struct
from typing import Any, Final

from PIL import Image
from PIL.TiffImagePlugin import IFDRational

TAKEN: Final = "2026:01:02 03:04:05"
#: 48° 51' 24" N, 2° 21' 8" E
_DEGREES: Final = ((48, 51, 24), (2, 21, 8))
XMP: Final = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    b' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    b' xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,51.4N" exif:GPSLongitude="2,21.13E"/>'
    b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
PLACE: Final = "+48.8566+002.3522/"


def picture(kind: str, size: tuple[int, int] = (60, 40), *, place: bool = True, xmp: bytes = b"") -> bytes:
    """``kind``: Pillow's name of the format."""
    made = io.BytesIO()
    more: dict[str, Any] = {"xmp": xmp} if xmp else {}
    Image.radial_gradient("L").resize(size).convert("RGB").save(made, kind, exif=_exif(place=place), **more)
    return made.getvalue()


def exif() -> bytes:
    """EXIF with a place, as a TIFF structure."""
    return _exif(place=True).tobytes().removeprefix(b"Exif\0\0")


def _exif(*, place: bool) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = 6
    made.get_ifd(0x8769)[0x9003] = TAKEN
    if place:
        made.get_ifd(0x8825).update(_gps())
    return made


def _gps() -> dict[int, object]:
    north, east = (tuple(IFDRational(value, 1) for value in degrees) for degrees in _DEGREES)
    return {1: "N", 2: north, 3: "E", 4: east, 18: "WGS-84"}


def video(*, place: bool = True, size: tuple[int, int] = (640, 360), seconds: int = 12) -> bytes:
    """An MP4 without a picture, its ``moov`` at the end: rotated by 90°, from 2026-01-02 03:04:05 UTC."""
    when = 3850167845
    scale = 1000
    turned = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    straight = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    header = struct.pack(">IIIIIIHH8x", 0, when, when, scale, seconds * scale, 1 << 16, 1 << 8, 0) + straight
    header += bytes(24) + struct.pack(">I", 2)
    track = struct.pack(">IIIIII8xHHHH", 7, when, when, 1, 0, seconds * scale, 0, 0, 0, 0) + turned
    track += struct.pack(">II", size[0] << 16, size[1] << 16)
    entry = (
        bytes(6)
        + struct.pack(">H16xHH", 1, *size)
        + struct.pack(">IIIH32xHh", 72 << 16, 72 << 16, 0, 1, 24, -1)
    )
    table = _box(
        b"stbl",
        _box(b"stsd", struct.pack(">II", 0, 1) + _box(b"avc1", entry))
        + _box(b"stts", struct.pack(">IIII", 0, 1, 1, seconds * scale))
        + _box(b"stsc", struct.pack(">IIIII", 0, 1, 1, 1, 1))
        + _box(b"stsz", struct.pack(">III", 0, 64, 1))
        + _box(b"stco", struct.pack(">III", 0, 1, 48)),
    )
    information = _box(b"minf", _box(b"vmhd", struct.pack(">IHHHH", 1, 0, 0, 0, 0)) + _dinf() + table)
    media = _box(
        b"mdia",
        _box(b"mdhd", struct.pack(">IIIIIHH", 0, when, when, scale, seconds * scale, 0x55C4, 0))
        + _box(b"hdlr", struct.pack(">II4s12x", 0, 0, b"vide") + b"\0")
        + information,
    )
    boxes = _box(b"mvhd", header) + _box(b"trak", _box(b"tkhd", track) + media)
    if place:
        text = PLACE.encode()
        boxes += _box(b"udta", _box(b"\xa9xyz", struct.pack(">HH", len(text), 0x15C7) + text))
    return _box(b"ftyp", b"isom" + bytes(4) + b"isommp41") + _box(b"mdat", bytes(4096)) + _box(b"moov", boxes)


def _dinf() -> bytes:
    return _box(b"dinf", _box(b"dref", struct.pack(">II", 0, 1) + _box(b"url ", struct.pack(">I", 1))))


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content
