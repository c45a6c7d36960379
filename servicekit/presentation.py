"""How a file's bytes are presented: media type, name in ``Content-Disposition``, inline or attachment.

This is the only place that decides it: the gateway's answers and the overrides in signed URLs are made here,
and users' text (names, types) is escaped here on its way into a header.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal
from urllib.parse import quote

Disposition = Literal["inline", "attachment"]

OCTET_STREAM: Final = "application/octet-stream"

#: Types that a browser shows without running anything: pictures without scripts, sound, film, and PDF (whose
#: viewers run in their own origin). All others are attachments, in a sandbox if we answer.
#
#: Not here, and why: ``image/svg+xml``, HTML and XML run scripts. ``text/plain`` runs nothing as a page, but
#: ``<script src>`` accepts it if an answer has no ``nosniff``, and an object store's answers have none. All
#: names of a type are here, because the name declared by a client is kept.
INERT_TYPES: Final = frozenset(
    {
        "application/ogg",
        "application/pdf",
        "audio/aac",
        "audio/flac",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/opus",
        "audio/wav",
        "audio/webm",
        "audio/x-m4a",
        "audio/x-wav",
        "image/apng",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/heic",  # Safari shows it, others save it
        "image/heif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "video/mp4",
        "video/mpeg",
        "video/ogg",
        "video/quicktime",
        "video/webm",
        "video/x-m4v",
    }
)
_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE: Final = re.compile(
    rf'{_WORD}/{_WORD}(?:[ \t]*;[ \t]*{_WORD}=(?:{_WORD}|"[\x20-\x21\x23-\x5b\x5d-\x7e]*"))*'
)
_MAX_TYPE_BYTES: Final = 255
#: The longest name in file systems (NAME_MAX).
MAX_NAME_BYTES: Final = 255
_MAX_EXTENSION_BYTES: Final = 32
#: RFC 8187's attr-char without letters and digits.
_ATTR_CHARS: Final = "!#$&+-.^_`|~"
_BIDI: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_DEPRECATED_SHAPING: Final = "\u206a\u206b\u206c\u206d\u206e\u206f"
_SEPARATORS: Final = "/\\"
#: Controls of reading order (``gpj.exe`` looks like a picture after one), path separators.
_REPLACED: Final = frozenset(_BIDI + _DEPRECATED_SHAPING + _SEPARATORS)
#: C0 and C1 controls, halves of surrogate pairs, separators of lines and paragraphs.
_REPLACED_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
#: Names shown unchanged; most are such, and need not be checked character by character.
_ORDINARY: Final = re.compile(r"[A-Za-z0-9 !#&'()+,.=@_~-]{1,255}")
#: A soft hyphen is a hint for line breaking, U+FEFF a byte order mark: neither is part of a name.
_DROPPED: Final = frozenset("\u00ad\ufeff")


def media_type(value: str) -> str:
    """``value`` if it is valid in a header as a media type (RFC 9110 section 8.3), else octet-stream."""
    return value if len(value) <= _MAX_TYPE_BYTES and _MEDIA_TYPE.fullmatch(value) else OCTET_STREAM


def essence(value: str) -> str:
    """The media type without parameters, in lower case."""
    return value.partition(";")[0].strip().lower()


#: Separates a media type from its charset in one text.
CHARSET: Final = "; charset="


def with_charset(content_type: str, charset: str) -> str:
    """``content_type`` (without parameters) with its ``charset`` (a token), if there is one."""
    return f"{content_type}{CHARSET}{charset}" if charset else content_type


def split_charset(content_type: str) -> tuple[str, str]:
    """The inverse of ``with_charset``."""
    kind, _, charset = content_type.partition(CHARSET)
    return kind, charset


def is_inert(value: str) -> bool:
    """Whether a browser can't run content with this media type."""
    return essence(value) in INERT_TYPES


def disposition_of(content_type: str, *, attachment: bool = False) -> Disposition:
    """How a browser presents a file of this type. ``attachment``: even if inline would be safe."""
    return "inline" if is_inert(content_type) and not attachment else "attachment"


def content_disposition(kind: Disposition, filename: str) -> str:
    """``Content-Disposition`` (RFC 6266) with an ASCII ``filename``, and with ``filename*`` (RFC 8187) if
    ASCII loses anything; without a name only the kind. See ``shown_name``.
    """
    name = shown_name(filename)
    if not name:
        return kind
    plain = _ascii(name)
    value = f'{kind}; filename="{plain}"'
    if plain != name:
        value += f"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"
    return value


def shown_name(filename: str) -> str:
    """The name under which a browser saves a file: at most 255 bytes of UTF-8, ``""`` if nothing is left.

    Path separators, control characters, line ends and controls of reading order become ``_``. Joiners
    (U+200C, U+200D) stay: Persian, Indic scripts and emoji need them (UAX #31 section 2.3). Soft hyphens and
    U+FEFF are removed. A name of only dots and blanks becomes ``_``. A longer name loses the end of its stem
    and keeps its extension.
    """
    if _ORDINARY.fullmatch(filename):
        name = filename.strip()
    else:
        name = "".join(
            "_" if c in _REPLACED or unicodedata.category(c) in _REPLACED_CATEGORIES else c
            for c in filename
            if c not in _DROPPED
        ).strip()
    if name and not name.strip(". "):
        return "_"
    return _cut(name)


def _cut(name: str) -> str:
    raw = name.encode()
    if len(raw) <= MAX_NAME_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    end = (dot + extension).encode()
    if not stem or len(end) > _MAX_EXTENSION_BYTES:
        end = b""
    return (raw[: MAX_NAME_BYTES - len(end)].decode("utf-8", "ignore") + end.decode()).strip()


def _ascii(name: str) -> str:
    """The nearest ASCII: accents and joiners dropped, everything else ``_``; nothing that clients interpret
    (quotes, escapes, percent signs), and no separator that only appears by folding (U+FF0F).
    """
    if _ORDINARY.fullmatch(name):
        return name
    folded = (
        c
        for c in unicodedata.normalize("NFKD", name)
        if not unicodedata.combining(c) and unicodedata.category(c) != "Cf"
    )
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%/' else "_" for c in folded).strip()
    return plain if plain.strip(". ") else "_"
