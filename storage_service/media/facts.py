"""Reads the facts of a file with Pillow and MediaInfo. Runs in a separate process, which a bad file may
kill.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import IO, Any, Final, cast

from storage_service.content.picture_sizes import MOST_HEADER_BYTES, UNKNOWN, NoPicture, size_of
from storage_service.media.frames import RemoteFile, TooMuch
from storage_service.media.location import masks_of
from storage_service.media.thumbhash import LONGEST_SIDE, thumbhash

try:
    from PIL import Image, ImageFile, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # decode() decides
    ImageFile.LOAD_TRUNCATED_IMAGES = False
except ImportError:  # the extra `media` is not installed
    HAS_PILLOW = False
else:
    HAS_PILLOW = True
try:
    from pymediainfo import MediaInfo
except ImportError:
    MediaInfo = None  # type: ignore[assignment,misc]

Facts = dict[str, Any]
#: The most pixels that are decoded, whatever the memory limit. JPEG is scaled down while it is decoded.
MOST_PIXELS: Final = 60_000_000
MOST_JPEG_PIXELS: Final = 250_000_000
#: The formats that Pillow may try for each media type. None of them starts a program (EPS does).
FORMATS: Final = {
    "image/apng": ("PNG",),
    "image/avif": ("AVIF",),
    "image/bmp": ("BMP", "DIB"),
    "image/gif": ("GIF",),
    "image/jp2": ("JPEG2000",),
    "image/jpeg": ("JPEG", "MPO"),
    "image/png": ("PNG",),
    "image/tiff": ("TIFF",),
    "image/vnd.microsoft.icon": ("ICO",),
    "image/webp": ("WEBP",),
    "image/x-icon": ("ICO",),
}
_ORIENTATION, _EXIF, _TAKEN, _OFFSET = 0x0112, 0x8769, 0x9003, 0x9011
_EXIF_TIME: Final = re.compile(r"(\d{4}):(\d\d):(\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET_TEXT: Final = re.compile(r"[+-]\d\d:\d\d")
_BY_ROTATION: Final = {0: 1, 90: 6, 180: 3, 270: 8}


def facts_of(content_type: str, file: RemoteFile) -> Iterator[Facts]:
    """Yield facts as soon as they are known: members of MediaInfo, the thumbhash in hexadecimal.

    Raises whatever the libraries raise for broken files.
    """
    header = _header(content_type, file)
    yield header
    yield _places(content_type, file)
    if content_type.startswith("image/"):
        yield from _picture(content_type, file, header)
    elif MediaInfo is not None:
        yield _timed(file)


def _places(content_type: str, file: RemoteFile) -> Facts:
    """The masks of the location in the file; no fact if there is none.

    A file that exceeds the search's limits, or is malformed, has none: other readers would find none either.
    """
    try:
        masks = masks_of(content_type, file)
    except (TooMuch, struct.error, IndexError):
        return {}
    return {"masks": [[offset, length, filling.hex()] for offset, length, filling in masks]} if masks else {}


def _picture(content_type: str, file: RemoteFile, header: Facts) -> Iterator[Facts]:
    if not HAS_PILLOW or content_type not in FORMATS:
        return
    file.seek(0)
    with Image.open(cast("IO[bytes]", file), formats=FORMATS[content_type]) as image:
        width, height = image.size
        if not header:
            yield {"width": width, "height": height}
        most = MOST_JPEG_PIXELS if image.format in {"JPEG", "MPO"} else MOST_PIXELS
        is_small = width * height <= most
        if is_small or image.format != "PNG" or "exif" in image.info:  # else decode to see there is none
            yield _exif(image)
        if is_small:
            yield {"thumbhash": _hash(image).hex()}


def _header(content_type: str, file: RemoteFile) -> Facts:
    """Facts from the header, also of formats that Pillow does not read."""
    if not content_type.startswith("image/"):
        return {}
    for length in (64 * 1024, MOST_HEADER_BYTES):
        try:
            size = size_of(content_type, file.at(0, length))
        except NoPicture:
            return {}
        if size == UNKNOWN:
            return {}
        if size is not None:
            return {"width": size.width, "height": size.height}
    return {}


def _exif(image: Image.Image) -> Facts:
    exif = image.getexif()
    found: Facts = {}
    orientation = exif.get(_ORIENTATION)
    if isinstance(orientation, int) and 1 <= orientation <= 8:
        found["orientation"] = orientation
    inner = exif.get_ifd(_EXIF)
    match = _EXIF_TIME.match(str(inner.get(_TAKEN, "")))
    if match:
        offset = _OFFSET_TEXT.fullmatch(str(inner.get(_OFFSET, "")).strip("\0 "))
        found |= _taken("{}-{}-{}T{}:{}:{}".format(*match.groups()) + (offset[0] if offset else ""))
    return found


def _taken(text: str) -> Facts:
    """When the picture was taken, if the text is a valid time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return {}
    return {"taken_at": moment.isoformat(timespec="seconds")}


def _hash(image: Image.Image) -> bytes:
    image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
    small = image.convert("RGBA") if image.mode in {"P", "PA", "LA", "1", "I", "I;16"} else image
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), reducing_gap=2.0)
    upright = ImageOps.exif_transpose(small).convert("RGBA")
    return thumbhash(upright.width, upright.height, upright.tobytes())


def _timed(file: RemoteFile) -> Facts:
    """Facts of videos and sounds."""
    file.seek(0)
    parsed = MediaInfo.parse(file, encoding_errors="replace", parse_speed=0.3)
    found: Facts = {}
    for track in parsed.tracks:
        known = track.to_data()
        kind = known.get("track_type")
        if kind in {"Video", "Image"} and "width" not in found:
            width, height = _number(known.get("width")), _number(known.get("height"))
            if width and height:
                found |= {"width": width, "height": height}
                turned = _BY_ROTATION.get(_number(known.get("rotation")) % 360)
                found |= {"orientation": turned} if turned else {}
        if kind in {"General", "Video", "Audio"}:
            found["duration_millis"] = max(found.get("duration_millis", 0), _number(known.get("duration")))
        if kind == "General":
            found |= _recorded(known)
    return found


def _number(value: object) -> int:
    """MediaInfo writes a number as a number or as text; 0 if it is neither."""
    try:
        number = int(float(str(value)))
    except (ValueError, OverflowError):
        return 0
    return number if 0 <= number < 1 << 53 else 0


def _recorded(known: Facts) -> Facts:
    """The camera's time with its offset; else the time of the program that made the file, in UTC."""
    own = known.get("comapplequicktimecreationdate")
    if isinstance(own, str):
        return _taken(re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", own))
    for name in ("recorded_date", "encoded_date"):
        text = known.get(name)
        match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?(?: ?UTC|Z)?", str(text or ""))
        if match:
            return _taken(f"{match[1]}T{match[2]}+00:00")
    return {}


Reader = Callable[[str, RemoteFile], Iterator[Facts]]
__all__ = ["FORMATS", "Facts", "Reader", "TooMuch", "facts_of"]
