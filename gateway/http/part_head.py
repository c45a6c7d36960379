"""Headers with parameters: ``Content-Type`` of a form, and the heads of its parts.

Parsing is strict where parsers differ in what they see, so that a proxy that inspects a form sees what is
stored: repeated headers or parameters, junk between parameters, bare line breaks. It is lenient where clients
write the same in different ways: blanks, quoting, charsets of names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from multipart import content_disposition_unquote

from strongroom.errors import MalformedRequest

_TOKEN: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - of RFC 9110
#: One parameter, or none, after a semicolon. Possessive, so that a long header of blanks causes no
#: backtracking; only for repeated single characters, because Python before 3.11.5 gets possessive groups
#: wrong.
_PARAMETER: Final = re.compile(
    rf"[ \t]*+;[ \t]*+(?:(?P<name>{_TOKEN})[ \t]*+=[ \t]*+"
    r'(?P<value>"[^"\\]*+(?:\\.[^"\\]*+)*"|[^\s";]++)[ \t]*+)?(?=;|\Z)'
)
_KIND: Final = re.compile(rf"[ \t]*(?P<kind>{_TOKEN}(?:/{_TOKEN})?)[ \t]*(?=;|\Z)")
_BREAKS: Final = re.compile(r"[\x00\r\n]")
#: ``UTF-8''…`` (RFC 8187): not allowed in forms by RFC 7578, but sent by several clients.
_EXTENDED: Final = re.compile(r"(?P<charset>[A-Za-z0-9-]+)'[^']*'(?P<text>[^\s\"]+)")
_ONCE: Final = frozenset({"Content-Disposition", "Content-Type", "Content-Transfer-Encoding"})
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252"})


@dataclass(frozen=True, slots=True)
class PartHead:
    """The head of a part. ``filename``: None if absent. ``content_type``: as declared, or ``""``.
    ``charset``: of its text.
    """

    name: str
    filename: str | None
    content_type: str
    charset: str


def parameters(value: str) -> tuple[str, dict[str, str]] | None:
    """Parse ``kind; name=value; …``: the kind in lower case, and the raw values by lower-case names.

    None: there is junk between parameters, or a name is repeated.
    """
    kind = _KIND.match(value)
    if kind is None:
        return None
    found: dict[str, str] = {}
    at = kind.end()
    while at < len(value):
        match = _PARAMETER.match(value, at)
        if match is None:
            return None
        at = match.end()
        if match["name"] is None:
            continue
        name = match["name"].lower()
        if name in found:
            return None
        found[name] = match["value"]
    return kind["kind"].lower(), found


def unquoted(value: str) -> str:
    """The value of a token or quoted string (RFC 9110 section 5.6.4)."""
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def part_head(headers: Sequence[tuple[str, str]]) -> PartHead:
    """Parse the head of a part. ``headers``: names in title case, values decoded as Latin-1.

    :raises MalformedRequest: parsers would differ in what it means.
    """
    for name, value in headers:
        if _BREAKS.search(value) or _BREAKS.search(name):
            raise MalformedRequest("A header in a part of the form holds a NUL or a bare line break.")
    once = [name for name, _ in headers if name in _ONCE]
    if len(set(once)) < len(once):
        raise MalformedRequest("A part of the form has the same header twice.")
    by_name = {name: value for name, value in headers if name in _ONCE}
    _check_encoding(by_name.get("Content-Transfer-Encoding", ""))
    disposition = parameters(by_name.get("Content-Disposition", ""))
    if disposition is None or disposition[0] != "form-data" or "name" not in disposition[1]:
        raise MalformedRequest(
            'Each part of the form needs one Content-Disposition: form-data; name="…" (RFC 7578 section 4.2).'
        )
    kind = by_name.get("Content-Type", "").strip()
    return PartHead(
        name=_text(content_disposition_unquote(disposition[1]["name"])),
        filename=_filename(disposition[1]),
        content_type=kind,
        charset=_charset(kind),
    )


def _check_encoding(value: str) -> None:
    encoding = (value or "binary").strip().lower()
    if encoding not in {"binary", "7bit", "8bit"}:
        raise MalformedRequest(
            "Content-Transfer-Encoding is not taken in forms (RFC 7578 section 4.7);"
            " send the bytes as they are."
        )


def _filename(found: dict[str, str]) -> str | None:
    plain = _text(content_disposition_unquote(found["filename"], True)) if "filename" in found else None
    if "filename*" not in found:
        return plain
    extended = _extended(unquoted(found["filename*"]))
    if plain is not None and _extension(plain) != _extension(extended):
        raise MalformedRequest(
            "filename and filename* of the file differ in their extension; send one of them."
        )
    return extended


def _extended(value: str) -> str:
    match = _EXTENDED.fullmatch(value)
    if match is not None and (charset := match["charset"].lower()) in {"utf-8", "iso-8859-1"}:
        try:
            return unquote_to_bytes(match["text"]).decode(charset)
        except UnicodeDecodeError:
            pass  # answered below, like a charset that RFC 8187 does not know
    raise MalformedRequest("The filename* of the file must be UTF-8''percent-encoded-text (RFC 8187).")


def _extension(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return extension.lower() if dot and stem else ""


def _text(value: str) -> str:
    """A name in UTF-8 (RFC 7578 section 5.1), else in the encoding of old western systems."""
    raw = value.encode("latin-1", "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("windows-1252", "replace")


def _charset(kind: str) -> str:
    """The charset that a text field declares (RFC 7578 section 4.4); UTF-8 if it declares no known one."""
    found = parameters(kind)
    named = unquoted(found[1].get("charset", "utf-8")).lower() if found is not None else "utf-8"
    return named if named in _CHARSETS else "utf-8"
