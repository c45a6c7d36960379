"""``multipart/form-data`` (RFC 7578) as it arrives: text fields are collected, the file's bytes pass straight
through.

The push parser is `multipart`'s (defnull). Added here: one file, any order of parts, bounds on everything
that is kept, and no success without the final boundary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from multipart import MultipartError, ParserLimitReached, PushMultipartParser, parse_options_header

from strongroom.errors import InvalidField, MalformedRequest, UnsupportedMediaType, UploadIncomplete

Bytes: TypeAlias = bytes | bytearray

FORM_DATA: Final = "multipart/form-data"
_BOUNDARY: Final = re.compile(
    r"[0-9A-Za-z'()+_,./:=? !#$%&*^`|~{}-]{0,199}[0-9A-Za-z'()+_,./:=?!#$%&*^`|~{}-]"
)
#: ``filename*=UTF-8''…`` (RFC 8187): not allowed here by RFC 7578, sent by several clients all the same.
_EXTENDED_NAME: Final = re.compile(
    r";\s*filename\*\s*=\s*(?P<charset>[A-Za-z0-9-]+)'[^']*'(?P<text>[^\s;\"]+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Bounds of a form, besides its file. Bytes, except ``parts`` and ``headers`` (per part).

    ``silence``: how many bytes may pass without a part (preamble, epilogue, headers).
    """

    parts: int = 64
    headers: int = 8
    header_bytes: int = 8192
    field_bytes: int = 128 * 1024
    fields_bytes: int = 512 * 1024
    silence_bytes: int = 64 * 1024


@dataclass(slots=True)
class FilePart:
    """The part that holds the file. ``content_type`` as declared, ``""`` where it is not; ``size`` so far, in
    bytes.
    """

    filename: str
    content_type: str
    size: int = 0
    complete: bool = False


def boundary_of(content_type: str | None) -> str:
    """The boundary of a form, from the ``Content-Type`` header.

    :raises UnsupportedMediaType: not multipart/form-data. :raises MalformedRequest: no boundary, or no valid
        one.
    """
    kind, options = parse_options_header(content_type or "")
    if kind != FORM_DATA:
        raise UnsupportedMediaType(f"Send the file as {FORM_DATA}.", metadata={"expected": FORM_DATA})
    boundary: str = options.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise MalformedRequest("The Content-Type header has no valid multipart boundary.")
    return boundary


class FormReader:
    """Takes the body chunk by chunk. ``fields`` and ``file`` grow as parts arrive.

    A field that comes twice, a second file and a file under another name than ``file_field`` are refused.
    Text parts with unknown names are kept; whoever asks for fields decides what they mean.
    """

    def __init__(self, boundary: str, *, file_field: str = "file", limits: FormLimits | None = None) -> None:
        self._limits = limits or FormLimits()
        self._file_field = file_field
        self._parser = PushMultipartParser(
            boundary,
            max_header_size=self._limits.header_bytes,
            max_header_count=self._limits.headers,
            max_segment_count=self._limits.parts,
        )
        self.fields: dict[str, str] = {}
        self.file: FilePart | None = None
        self._name = ""
        self._value: list[bytes] | None = None
        self._value_bytes = 0
        self._fields_bytes = 0
        self._silent_bytes = 0
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._inside_file = False

    def feed(self, chunk: Bytes) -> list[Bytes]:
        """Take the next bytes of the body (not empty); answers the file's bytes among them, in order.

        :raises MalformedRequest: framing, or a bound of the form. :raises InvalidField: a field at fault.
        """
        plain = not self._may_hold_delimiter(chunk)
        if plain and self._inside_file and self.file is not None:
            self.file.size += len(chunk)
            return [chunk]
        pieces = self._parse(chunk)
        # then the parser keeps nothing back, and all bytes up to the next delimiter are the file's
        self._inside_file = plain and bool(pieces) and len(chunk) >= len(self._delimiter)
        return pieces

    def _may_hold_delimiter(self, chunk: Bytes) -> bool:
        """Whether a part might end in ``chunk``. The parser would find out, but copies bytearrays."""
        if self._delimiter in chunk:
            return True
        tail = chunk[-len(self._delimiter) :]
        at = tail.rfind(b"\r")
        return at >= 0 and self._delimiter.startswith(tail[at:])

    def _parse(self, chunk: Bytes) -> list[Bytes]:
        pieces: list[Bytes] = []
        seen = False
        for event in self._events(chunk):
            seen = True
            if event is None:
                self._end_part()
            elif not isinstance(event, bytes | bytearray):
                self._begin_part(event)
            elif self._value is None:
                pieces.append(event)
            else:
                self._add_to_field(bytes(event))
        if pieces and self.file is not None:
            self.file.size += sum(map(len, pieces))
        self._silent_bytes = 0 if seen else self._silent_bytes + len(chunk)
        if self._silent_bytes > self._limits.silence_bytes:
            raise MalformedRequest(f"The form has {self._silent_bytes} bytes that belong to no part.")
        return pieces

    def finish(self) -> FilePart:
        """The body has ended: the file, complete.

        :raises UploadIncomplete: the final boundary is missing. :raises InvalidField: there was no file.
        """
        try:
            self._parser.close()
        except MultipartError:
            raise UploadIncomplete(
                "The form ended before its final boundary; nothing was stored. Send it again."
            ) from None
        if self.file is None:
            raise InvalidField(
                f"The form has no part named {self._file_field}.", field=self._file_field, rule="required"
            )
        if self.file.filename == "" and self.file.size == 0:
            raise InvalidField(
                f"No file was chosen for {self._file_field}.", field=self._file_field, rule="required"
            )
        return self.file

    def _events(self, chunk: Bytes) -> Iterator[Any]:
        try:
            yield from self._parser.parse(chunk)
        except ParserLimitReached as error:
            raise MalformedRequest(f"The form passes a limit: {error}.") from None
        except MultipartError as error:
            raise MalformedRequest(f"The form is malformed: {error}.") from None

    def _begin_part(self, segment: Any) -> None:
        self._name = segment.name
        encoding = (segment.header("Content-Transfer-Encoding") or "binary").strip().lower()
        if encoding not in {"binary", "7bit", "8bit"}:
            raise MalformedRequest(
                f"Content-Transfer-Encoding {encoding[:20]!r} is not taken (RFC 7578 section 4.7);"
                " send the bytes as they are."
            )
        if self._name == self._file_field:
            self._begin_file(segment)
        elif segment.filename is not None:
            raise InvalidField(
                f"Only {self._file_field} may hold a file.",
                field=_printable(self._name),
                rule="unexpected_file",
            )
        elif self._name in self.fields:
            raise InvalidField("The field comes twice.", field=_printable(self._name), rule="repeated")
        else:
            self._value, self._value_bytes = [], 0

    def _begin_file(self, segment: Any) -> None:
        if self.file is not None:
            raise InvalidField("The form holds two files; send one.", field=self._file_field, rule="repeated")
        extended = _EXTENDED_NAME.search(segment.header("Content-Disposition") or "")
        name = _decoded_name(extended) if extended else segment.filename
        self.file = FilePart(
            filename=(name or "").replace("\\", "/").rpartition("/")[2],
            content_type=(segment.header("Content-Type") or "").strip(),
        )

    def _add_to_field(self, data: bytes) -> None:
        self._value_bytes += len(data)
        self._fields_bytes += len(data)
        if self._value_bytes > self._limits.field_bytes or self._fields_bytes > self._limits.fields_bytes:
            raise InvalidField(
                f"The field is too long: at most {self._limits.field_bytes} bytes, and"
                f" {self._limits.fields_bytes} for all fields together.",
                field=_printable(self._name),
                rule="max_bytes",
            )
        if self._value is not None:
            self._value.append(data)

    def _end_part(self) -> None:
        if self._value is None:
            if self.file is not None:
                self.file.complete = True
            return
        try:
            self.fields[self._name] = b"".join(self._value).decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidField("The field is not UTF-8.", field=_printable(self._name), rule="utf8") from None
        self._value = None


def _decoded_name(extended: re.Match[str]) -> str:
    charset = extended["charset"].lower()
    try:
        if charset in {"utf-8", "iso-8859-1"}:
            return unquote_to_bytes(extended["text"]).decode(charset)
    except UnicodeDecodeError:
        pass  # answered below, like a charset that RFC 8187 does not know
    raise MalformedRequest("The filename* of the file must be UTF-8''percent-encoded-text (RFC 8187).")


def _printable(name: str) -> str:
    """A field name fit for an error: short, and nothing but printable characters."""
    return "".join(c if c.isprintable() else "?" for c in name[:64])
