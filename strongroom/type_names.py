"""Names of media types: those that clients use, those of file extensions, and types that are often confused.

A browser takes a file's type from the system's registry, as written there by the program that opens the
extension: with Excel installed, Windows says ``application/vnd.ms-excel`` for a .csv. Strongroom has to cope
with that.
"""

from __future__ import annotations

import mimetypes
import re
from typing import Final

GENERIC: Final = "application/octet-stream"
OFFICE: Final = "application/vnd.openxmlformats-officedocument."
OPEN: Final = "application/vnd.oasis.opendocument."
EXCEL: Final = "application/vnd.ms-excel"
WORD: Final = "application/msword"
POWERPOINT: Final = "application/vnd.ms-powerpoint"
RTF: Final = "application/rtf"
PDF: Final = "application/pdf"

_WORD: Final = r"[a-z0-9!#$%&'+.^_`|~-]+"  # RFC 9110's, but for "*": a wildcard is no type
_TYPE: Final = re.compile(rf"{_WORD}/{_WORD}")

#: Other names of a type.
_ALIASES: Final = {
    alias: name
    for name, aliases in {
        PDF: "application/x-pdf application/acrobat application/vnd.pdf text/pdf text/x-pdf",
        "application/zip": (
            "application/x-zip application/x-zip-compressed multipart/x-zip application/zip-compressed"
        ),
        "application/gzip": "application/x-gzip application/x-gunzip application/gzip-compressed",
        "application/epub+zip": "application/epub application/x-epub+zip",
        RTF: "text/rtf application/x-rtf",
        EXCEL: (
            "application/excel application/x-excel application/x-msexcel application/x-ms-excel"
            " application/msexcel application/xls application/x-xls application/x-dos_ms_excel"
        ),
        WORD: (
            "application/word application/x-msword application/vnd.msword application/vnd.ms-word"
            " application/doc application/x-doc"
        ),
        POWERPOINT: "application/powerpoint application/mspowerpoint application/x-mspowerpoint",
        "application/xml": "application/x-xml",
        "audio/aac": "audio/x-aac audio/aacp audio/x-hx-aac-adts audio/vnd.dlna.adts",
        "audio/flac": "audio/x-flac",
        "audio/mp4": "audio/x-m4a audio/m4a audio/x-mp4 audio/mp4a-latm",
        "audio/mpeg": (
            "audio/mp3 audio/x-mp3 audio/mpeg3 audio/x-mpeg audio/x-mpeg-3 audio/mpg audio/x-mpg"
            " audio/x-mpegaudio"
        ),
        "audio/ogg": "application/ogg application/x-ogg audio/x-ogg",
        "audio/wav": "audio/x-wav audio/wave audio/vnd.wave audio/x-pn-wav",
        "image/bmp": "image/x-ms-bmp image/x-bmp image/x-windows-bmp",
        "image/jpeg": "image/jpg image/pjpeg image/x-jpeg image/x-jpg image/jfif",
        "image/png": "image/x-png",
        "image/svg+xml": "image/svg image/svg-xml",
        "image/tiff": "image/tif image/x-tif image/x-tiff",
        "image/webp": "image/x-webp",
        "text/csv": (
            "text/comma-separated-values application/csv text/x-csv application/x-csv"
            " text/x-comma-separated-values"
        ),
        "text/javascript": "application/x-javascript text/x-javascript",
        "text/markdown": "text/x-markdown text/x-web-markdown application/markdown",
        "text/tab-separated-values": "text/tsv text/x-tsv",
        "video/mp4": "video/x-m4v video/x-mp4",
        "video/quicktime": "video/mov video/x-quicktime",
        "video/x-matroska": "video/mkv",
        "video/x-msvideo": "video/avi video/msvideo",
    }.items()
    for alias in aliases.split()
}
#: Names for "some bytes" in HTTP libraries, download dialogs and registries.
_UNDECLARED: Final = frozenset(
    {
        "application/binary",
        "application/cdfv2",
        "application/download",
        "application/force-download",
        "application/save",
        "application/unknown",
        "application/vnd.ms-office",
        "application/x-binary",
        "application/x-compressed",
        "application/x-download",
        "application/x-force-download",
        "application/x-forcedownload",
        "application/x-octet-stream",
        "application/x-ole-storage",
        "application/x-www-form-urlencoded",
        "binary/octet-stream",
        "content/unknown",
        "multipart/form-data",
        "text/unknown",
        "unknown/unknown",
        "www/unknown",
    }
)
#: Defined here if `mimetypes` differs between machines or has no entry.
_EXTENSIONS: Final = {
    ".avif": "image/avif",
    ".csv": "text/csv",
    ".docm": "application/vnd.ms-word.document.macroenabled.12",
    ".docx": f"{OFFICE}wordprocessingml.document",
    ".dotx": f"{OFFICE}wordprocessingml.template",
    ".epub": "application/epub+zip",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".m4a": "audio/mp4",
    ".md": "text/markdown",
    ".mht": "message/rfc822",
    ".mhtml": "message/rfc822",
    ".mkv": "video/x-matroska",
    ".odp": f"{OPEN}presentation",
    ".ods": f"{OPEN}spreadsheet",
    ".odt": f"{OPEN}text",
    ".potx": f"{OFFICE}presentationml.template",
    ".ppsx": f"{OFFICE}presentationml.slideshow",
    ".pptm": "application/vnd.ms-powerpoint.presentation.macroenabled.12",
    ".pptx": f"{OFFICE}presentationml.presentation",
    ".rtf": RTF,
    ".tab": "text/tab-separated-values",
    ".tsv": "text/tab-separated-values",
    ".webp": "image/webp",
    ".xlsb": "application/vnd.ms-excel.sheet.binary.macroenabled.12",
    ".xlsm": "application/vnd.ms-excel.sheet.macroenabled.12",
    ".xlsx": f"{OFFICE}spreadsheetml.sheet",
    ".xltx": f"{OFFICE}spreadsheetml.template",
    ".xml": "application/xml",
}
ZIPPED_OFFICE: Final = tuple(
    kind for kind in _EXTENSIONS.values() if kind.startswith((OFFICE, OPEN)) or "macroenabled" in kind
)
COMPOUND_OFFICE: Final = (WORD, EXCEL, POWERPOINT)
#: Types that registries and export dialogs confuse with each other and with text (a .csv, a web page saved as
#: .xls). The bytes and the extension decide.
MIXED_UP_OFFICE: Final = frozenset({*ZIPPED_OFFICE, *COMPOUND_OFFICE, RTF})
#: Text that office programs open and write.
OFFICE_TEXT: Final = frozenset(
    {
        "application/xml",
        "message/rfc822",
        "text/csv",
        "text/html",
        "text/markdown",
        "text/plain",
        "text/tab-separated-values",
        "text/xml",
    }
)
#: Pictures that phones and web pages declare as an older format, and the other way round.
_NEWER_PICTURES: Final = frozenset({"image/heic", "image/heif", "image/avif", "image/webp"})
_OLDER_PICTURES: Final = frozenset({"image/jpeg", "image/png", "image/gif"})


def normalise(content_type: str) -> str:
    """Return the type in lower case, without parameters, with aliases resolved.

    Types that say nothing about the file (empty, a wildcard, not a ``type/subtype`` of tokens, "binary")
    become application/octet-stream.
    """
    bare = content_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(bare) or bare in _UNDECLARED:
        return GENERIC
    return _ALIASES.get(bare, bare)


def by_extension(filename: str) -> str:
    """Return the type of a file name's extension; application/octet-stream if unknown."""
    dot = filename.rfind(".")
    extension = filename[dot:].lower() if dot >= 0 else ""
    return _EXTENSIONS.get(extension) or normalise(mimetypes.types_map.get(extension, ""))


def pictures_mixed_up(declared: str, detected: str) -> bool:
    """Whether some clients declare pictures of type ``detected`` as ``declared`` by mistake."""
    kinds = {declared, detected}
    return kinds <= _NEWER_PICTURES | _OLDER_PICTURES and bool(kinds & _NEWER_PICTURES)
