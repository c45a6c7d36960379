"""The extension that an S3 key gets, of a file's name and type. The rules of names and paths are
`strongroom.path_rules`, for whoever plans with them.
"""

from __future__ import annotations

import re
from typing import Final

FALLBACK_EXTENSION: Final = "bin"
_EXTENSION: Final = re.compile(r"\.([A-Za-z0-9]{1,10})\Z")

#: Media type → extension, for names that have none. Fixed here because `mimetypes` differs between machines.
_BY_TYPE: Final = {
    "application/epub+zip": "epub",
    "application/gzip": "gz",
    "application/json": "json",
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/rtf": "rtf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/xml": "xml",
    "application/zip": "zip",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/webm": "weba",
    "audio/x-wav": "wav",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "text/css": "css",
    "text/csv": "csv",
    "text/html": "html",
    "text/javascript": "js",
    "text/markdown": "md",
    "text/plain": "txt",
    "video/mp4": "mp4",
    "video/mpeg": "mpeg",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
}


def extension_of(filename: str, content_type: str) -> str:
    """The extension for an S3 key: of the name (lower case, `[a-z0-9]{1,10}`), else of the type, else `bin`.

    A name that only has an extension (`.png`) counts as having it.
    """
    found = _EXTENSION.search(filename)
    if found:
        return found[1].lower()
    return _BY_TYPE.get(content_type.partition(";")[0].strip().lower(), FALLBACK_EXTENSION)
