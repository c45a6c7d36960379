"""Detects a file's type by puremagic's table of signatures, and the encoding of a text.

puremagic compares its 1,400 signatures one by one, which takes 300 µs per file. Here they are indexed by
offset and first byte, which takes 6 µs. puremagic itself is asked only about signatures in two parts. The
answers are equal.

UTF-8 with characters beyond ASCII is hardly ever anything else, and a byte order mark is decisive (WHATWG
Encoding section 6.1). Single-byte encodings can't be told apart, so no ``charset`` is reported for them.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

import puremagic

_SURE: Final = 0.3
"""The least confidence: a tenth per matching byte, at most 0.8. Two matching bytes are too few to refuse a
file.
"""
_LONG: Final = 9


class _Signature(NamedTuple):
    text: bytes
    content_type: str

    @property
    def confidence(self) -> float:
        return 0.8 if len(self.text) >= _LONG else len(self.text) / 10


class _Table(NamedTuple):
    """``beginnings``: signatures by offset, then by the byte there. ``endings``: offsets are from the end."""

    beginnings: Mapping[int, Mapping[int, list[_Signature]]]
    endings: list[tuple[int, _Signature]]


def content_types(head: bytes) -> list[str]:
    """Return the types whose signature ``head`` has, likeliest first, as puremagic spells them; may
    repeat.
    """
    found = list(_found(head))
    if any(signature.text in puremagic.multi_part_dict for signature in found):
        matches = puremagic.magic_string(head)
        return [match.mime_type for match in matches if match.confidence >= _SURE and match.mime_type]
    found.sort(key=lambda signature: (signature.confidence, len(signature.text)), reverse=True)
    return [one.content_type for one in found if one.confidence >= _SURE and one.content_type]


def _found(head: bytes) -> Iterator[_Signature]:
    table, size = _table(), len(head)
    for offset, by_byte in table.beginnings.items():
        if offset < size:
            for signature in by_byte.get(head[offset], ()):
                if head.startswith(signature.text, offset):
                    yield signature
    for offset, signature in table.endings:
        if head.startswith(signature.text, size + offset) and size + offset >= 0:
            yield signature


@cache
def _table() -> _Table:
    beginnings: dict[int, dict[int, list[_Signature]]] = {}
    for row in puremagic.magic_header_array:
        by_byte = beginnings.setdefault(row.offset, {})
        by_byte.setdefault(row.byte_match[0], []).append(_Signature(row.byte_match, row.mime_type))
    endings = [
        (row.offset, _Signature(row.byte_match, row.mime_type)) for row in puremagic.magic_footer_array
    ]
    return _Table(beginnings, endings)


_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's, so it is tested first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Control characters that texts don't contain: all but tab, line ends, form feed, escape and ^Z (end of file
#: in MS-DOS).
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x19\x1c-\x1f\x7f]")
#: Names of encodings (RFC 2978 section 2.3), as far as they are in use.
_CHARSET: Final = re.compile(r"[a-z0-9][a-z0-9._:+-]{0,39}")
#: Textual types outside of text/* that have a charset (RFC 9239, RFC 7303). JSON has none; it is UTF-8 (RFC
#: 8259 section 8.1).
_TEXTUAL: Final = frozenset(
    {
        "application/ecmascript",
        "application/javascript",
        "application/sql",
        "application/x-httpd-php",
        "application/x-sh",
        "application/xml",
        "application/xml-dtd",
        "application/xml-external-parsed-entity",
    }
)


def has_charset(content_type: str) -> bool:
    """Whether the type (given without parameters) takes the parameter ``charset``."""
    return content_type.startswith("text/") or content_type.endswith("+xml") or content_type in _TEXTUAL


def declared_charset(content_type: str) -> str:
    """Return the ``charset`` of a declared media type in lower case, or ``""`` if it is missing or
    invalid.
    """
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
            return charset if _CHARSET.fullmatch(charset) else ""
    return ""


def charset_of(head: bytes, *, whole: bool = False) -> str:
    """Return the encoding that a file's beginning indicates: ``utf-8``, ``utf-16``, ``utf-32`` or ``""``.

    ``whole``: ``head`` is the whole file, so its last character must be complete.
    """
    for mark, charset in _MARKS:
        if head.startswith(mark):
            return charset
    return "utf-8" if head and is_utf8((head,), whole=whole) else ""


def is_utf8(chunks: Iterable[bytes | bytearray | memoryview], *, whole: bool) -> bool:
    """Whether the chunks are UTF-8 without NUL. ``whole``: the last character must be complete."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in chunks:
            if "\0" in decoder.decode(bytes(chunk)):
                return False
        decoder.decode(b"", final=whole)
    except UnicodeDecodeError:
        return False
    return True


def is_text(head: bytes, *, legacy: bool) -> bool:
    """Whether a text begins like this.

    ``legacy``: also accept single-byte encodings, which programs on Windows still write. Some short binary
    files are then taken for text.
    """
    charset = charset_of(head)
    if charset == "utf-8":
        return is_utf8((head,), whole=False)
    if charset:
        return _decodes(head, charset)
    return legacy and not _CONTROLS.search(head)


def _decodes(head: bytes, charset: str) -> bool:
    unit = 4 if charset == "utf-32" else 2
    try:
        text = codecs.getincrementaldecoder(charset)().decode(head[: len(head) - len(head) % unit])
    except UnicodeDecodeError:
        return False
    return not any(character < "\t" for character in text)
