"""Headers that go with a file's bytes: type, disposition, and what keeps a browser from running them.

User text (names, types) is escaped here and nowhere else on its way into a header.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

from gateway.reply import Header, header

#: Types a browser shows without running anything: they go inline, all others as attachments in a sandbox.
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
SANDBOX: Final = "sandbox; default-src 'none'; frame-ancestors 'none'"
# : A project's front end runs its scripts in an origin of its own, which has no cookies, storage or parent,
# and can
#: send nothing anywhere.
PREVIEW_SANDBOX: Final = (
    "sandbox allow-scripts; default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'none';"
    " form-action 'none'; base-uri 'none'"
)
OCTET_STREAM: Final = "application/octet-stream"
_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE: Final = re.compile(
    rf'{_WORD}/{_WORD}(?:[ \t]*;[ \t]*{_WORD}=(?:{_WORD}|"[\x20-\x21\x23-\x5b\x5d-\x7e]*"))*'
)
_MAX_NAME_BYTES: Final = 255
#: Characters of RFC 8187's attr-char besides letters and digits.
_ATTR_CHARS: Final = "!#$&+-.^_`|~"


def media_type(value: str) -> str:
    """``value`` if it may stand in a header as a media type (RFC 9110 section 8.3), else octet-stream."""
    return value if len(value) <= 255 and _MEDIA_TYPE.fullmatch(value) else OCTET_STREAM


def is_inert(value: str) -> bool:
    """Whether a browser can't run what has this media type."""
    return value.partition(";")[0].strip().lower() in INERT_TYPES


def content_disposition(kind: str, filename: str) -> str:
    """``Content-Disposition`` (RFC 6266): an ASCII ``filename``, and ``filename*`` (RFC 8187) where that
    loses anything.

    Path separators and control characters of ``filename`` become ``_``; without a name the kind stands alone.
    """
    name = _clean(filename)
    if not name:
        return kind
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in _ascii(name))
    value = f'{kind}; filename="{plain}"'
    if plain != name:
        value += f"; filename*=UTF-8''{quote(name, safe=_ATTR_CHARS)}"
    return value


def content_headers(content_type: str, filename: str, *, corp: str, attachment: bool = False) -> list[Header]:
    """Type, disposition and browser policy of a file's bytes. ``attachment``: even where inline would be
    safe.

    ``corp``: value of Cross-Origin-Resource-Policy. ``X-Content-Type-Options`` comes with every answer.
    """
    kind = media_type(content_type)
    inert = is_inert(kind)
    found = [
        header("content-type", kind),
        header(
            "content-disposition",
            content_disposition("inline" if inert and not attachment else "attachment", filename),
        ),
        header("cross-origin-resource-policy", corp),
    ]
    if not inert:
        found.append(header("content-security-policy", SANDBOX))
    return found


def preview_headers(content_type: str) -> list[Header]:
    """Type and browser policy of a file of a project's front end, shown in a frame.

    To a sandboxed page its own files are cross-origin, so the resource policy has to let them in.
    """
    return [
        header("content-type", media_type(content_type)),
        header("content-disposition", "inline"),
        header("cross-origin-resource-policy", "cross-origin"),
        header("content-security-policy", PREVIEW_SANDBOX),
    ]


def _clean(filename: str) -> str:
    """Without separators, controls, and the marks that reverse reading order (so that ``gpj.exe`` looks like
    it).
    """
    name = "".join(
        "_" if c in "/\\" or unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else c
        for c in filename
    ).strip()
    if name in {".", ".."}:
        return "_"
    return name.encode("utf-8", "replace")[:_MAX_NAME_BYTES].decode("utf-8", "ignore")


def _ascii(name: str) -> str:
    """The nearest ASCII: accents dropped, all else left for the caller to replace."""
    return "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
