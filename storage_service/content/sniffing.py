"""What the bytes of a file say: of its type, by puremagic's table of signatures; and of its text's encoding.

puremagic compares its 1,400 signatures one after the other, 300 µs for each file. Here they lie by offset and
first byte, 6 µs; puremagic itself is asked only where its rules go past comparing (signatures in two parts).
The answers are the same.

UTF-8 with characters beyond ASCII is hardly ever anything else, and a mark at the beginning decides
(WHATWG Encoding section 6.1). The encodings of one byte a character can't be told apart: of those nothing is
said as the ``charset``.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final, NamedTuple

import puremagic

_SURE: Final = 0.3
"""puremagic's confidence: a tenth per matching byte, at most 0.8. Two bytes are too few to accuse anybody."""
_LONG: Final = 9


class _Signature(NamedTuple):
    text: bytes
    content_type: str

    @property
    def confidence(self) -> float:
        return 0.8 if len(self.text) >= _LONG else len(self.text) / 10


class _Table(NamedTuple):
    """``beginnings``: by offset, then by the byte there. ``endings``: with offsets from the end."""

    beginnings: Mapping[int, Mapping[int, list[_Signature]]]
    endings: list[tuple[int, _Signature]]


def content_types(head: bytes) -> list[str]:
    """Types whose signature ``head`` carries, likeliest first, as puremagic spells them; with repeats."""
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
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Controls that no text holds: all but tab, line ends, form feed, escape, and ^Z (MS-DOS's end of a file).
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x19\x1c-\x1f\x7f]")
#: Names of encodings (RFC 2978 section 2.3), as far as they are in use.
_CHARSET: Final = re.compile(r"[a-z0-9][a-z0-9._:+-]{0,39}")
#: Textual types outside of text/* that have the parameter (RFC 9239, RFC 7303). JSON has none: RFC 8259
#: section 8.1 says UTF-8.
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
    """Whether the type (without parameters) takes the parameter ``charset``."""
    return content_type.startswith("text/") or content_type.endswith("+xml") or content_type in _TEXTUAL


def declared_charset(content_type: str) -> str:
    """The ``charset`` of a declared media type, in lower case; ``""`` where there is none to be kept."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
            return charset if _CHARSET.fullmatch(charset) else ""
    return ""


def charset_of(head: bytes, *, whole: bool = False) -> str:
    """What bytes say of their encoding by how they begin: ``utf-8``, ``utf-16``, ``utf-32`` or ``""``.

    ``whole``: nothing follows, so no character may be cut.
    """
    for mark, charset in _MARKS:
        if head.startswith(mark):
            return charset
    return "utf-8" if head and is_utf8((head,), whole=whole) else ""


def is_utf8(chunks: Iterable[bytes | bytearray | memoryview], *, whole: bool) -> bool:
    """Whether all of it is UTF-8 without NUL. ``whole``: nothing follows, so no character may be cut."""
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
    """Whether this is how a text begins. ``legacy``: also one in an encoding of a byte for each character,
    which programs on Windows still write; so taken, some short binary files are text.
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
