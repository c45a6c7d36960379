"""``multipart/form-data`` (RFC 7578) as it arrives: text fields are collected, the file's bytes are passed
on.

The push parser is that of the library `multipart` (defnull). This module adds: a single file, parts in any
order, limits on all that is kept, and no success without the final boundary.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from multipart import MultipartError, ParserLimitReached, PushMultipartParser

from gateway.http.part_head import PartHead, parameters, part_head, unquoted
from strongroom.errors import InvalidField, MalformedRequest, UnsupportedMediaType, UploadIncomplete

Bytes: TypeAlias = bytes | bytearray

FORM_DATA: Final = "multipart/form-data"
_BOUNDARY: Final = re.compile(
    r"[0-9A-Za-z'()+_,./:=? !#$%&*^`|~{}-]{0,199}[0-9A-Za-z'()+_,./:=?!#$%&*^`|~{}-]"
)
#: Types of a part without a file name that is a text field (RFC 7578 section 4.4).
_TEXT: Final = ("", "text/plain")


@dataclass(frozen=True, slots=True)
class FormLimits:
    """Limits of a form, besides its file. Bytes, except ``parts`` and ``headers`` (per part).

    ``silence_bytes``: bytes outside of parts in a row (preamble, epilogue, headers). ``ignored_bytes``: bytes
    of files in fields that are not known.
    """

    parts: int = 64
    headers: int = 8
    header_bytes: int = 8192
    field_bytes: int = 128 * 1024
    fields_bytes: int = 512 * 1024
    silence_bytes: int = 64 * 1024
    ignored_bytes: int = 0


@dataclass(slots=True)
class FilePart:
    """The part with the file. ``content_type``: as declared, or ``""``; ``size``: bytes so far."""

    filename: str
    content_type: str
    size: int = 0
    complete: bool = False


def boundary_of(content_type: str | None) -> str:
    """The boundary of a form, from the ``Content-Type`` header.

    :raises UnsupportedMediaType: not multipart/form-data.
    :raises MalformedRequest: no boundary, or an invalid one.
    """
    found = parameters(content_type or "")
    kind = found[0] if found is not None else (content_type or "").partition(";")[0].strip().lower()
    if kind != FORM_DATA:
        raise UnsupportedMediaType(f"Send the file as {FORM_DATA}.", metadata={"expected": FORM_DATA})
    boundary = unquoted(found[1].get("boundary", "")) if found is not None else ""
    if not _BOUNDARY.fullmatch(boundary):
        raise MalformedRequest("The Content-Type header has no valid multipart boundary.")
    return boundary


class FormReader:
    """Parses the body chunk by chunk. ``fields`` and ``file`` are filled as parts arrive.

    A repeated field and a second file are refused. A part named in ``text_fields`` is that field, with or
    without a file name (browsers give one to each Blob). Other text parts are kept, and callers decide what
    they mean. File inputs without a chosen file are skipped, and so are other files within the limits.
    """

    def __init__(
        self,
        boundary: str,
        *,
        file_field: str = "file",
        text_fields: Collection[str] = (),
        limits: FormLimits | None = None,
    ) -> None:
        self._limits = limits or FormLimits()
        self._file_field = file_field
        self._text_fields = text_fields
        self._parser = PushMultipartParser(
            boundary,
            max_header_size=self._limits.header_bytes,
            max_header_count=self._limits.headers,
            max_segment_count=self._limits.parts,
            header_charset="latin-1",
        )
        self.fields: dict[str, str] = {}
        self.file: FilePart | None = None
        self._head = PartHead("", None, "", "utf-8")
        self._value: bytearray | None = None
        self._ignoring = self._unchosen = False
        self._passed_over: set[str] = set()
        self._ignored_bytes = 0
        self._preamble: bytearray | None = bytearray()
        self._fields_bytes = 0
        self._silent_bytes = 0
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._inside_file = False

    def feed(self, chunk: Bytes) -> list[Bytes]:
        """Parse the next bytes of the body (not empty). Returns the file's bytes among them, in order.

        :raises MalformedRequest: wrong framing, or a limit is exceeded.
        :raises InvalidField: a field is at fault.
        """
        plain = not self._may_hold_delimiter(chunk)
        if plain and self._inside_file and self.file is not None:
            self.file.size += len(chunk)
            return [chunk]
        pieces = self._parse(chunk)
        # then the parser holds nothing back, and all bytes up to the next delimiter belong to the file
        self._inside_file = plain and bool(pieces) and len(chunk) >= len(self._delimiter)
        return pieces

    def _may_hold_delimiter(self, chunk: Bytes) -> bool:
        """Whether a part may end in ``chunk``. The parser would find out, but it copies bytearrays."""
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
            elif self._ignoring:
                self._ignore(len(event))
            elif self._value is not None:
                self._add_to_field(event, self._value)
            elif self.file is not None:
                pieces.append(event)
                self.file.size += len(event)  # counted here: a part's end asks whether it had any
        self._silent_bytes = 0 if seen else self._silent_bytes + len(chunk)
        if self._silent_bytes > self._limits.silence_bytes:
            raise MalformedRequest(f"The form has {self._silent_bytes} bytes that belong to no part.")
        return pieces

    def finish(self) -> FilePart:
        """End the body. Returns the complete file.

        :raises UploadIncomplete: the final boundary is missing.
        :raises InvalidField: there was no file.
        """
        try:
            self._parser.close()
        except MultipartError:
            raise UploadIncomplete(
                "The form ended before its final boundary; nothing was stored. Send it again."
            ) from None
        if self.file is None:
            raise InvalidField(f"{self._why_no_file()}.", field=self._file_field, rule="required")
        return self.file

    def _why_no_file(self) -> str:
        name = self._file_field
        if self._unchosen:
            return f"No file was chosen for {name}; curl sends one with -F {name}=@PATH"
        others = ", ".join(sorted(self._passed_over)[:5])
        return f"The form has no part named {name}" + (f"; its files are named {others}" if others else "")

    def _events(self, chunk: Bytes) -> Iterator[Any]:
        begun = self._behind_preamble(chunk)
        if not begun:
            return
        try:
            yield from self._parser.parse(begun)
        except ParserLimitReached:
            most = self._limits
            raise MalformedRequest(
                f"The form passes a limit: it may have {most.parts} parts, each with {most.headers} lines of"
                f" header of {most.header_bytes} bytes."
            ) from None
        except MultipartError as error:
            raise MalformedRequest(f"The form is malformed: {_plain(error)}.") from None

    def _behind_preamble(self, chunk: Bytes) -> Bytes:
        """``chunk`` without the preamble (RFC 2046 section 5.1.1). The parser's verdict on a preamble would
        depend on how its bytes are split.
        """
        if self._preamble is None:
            return chunk
        self._preamble += chunk
        first = self._preamble.find(self._delimiter[2:])
        if first < 0:
            return b""
        if first > 0 and self._preamble[max(0, first - 2) : first] != b"\r\n":
            raise MalformedRequest("The form is malformed: its first boundary does not begin a line.")
        begun, self._preamble = bytes(self._preamble[first:]), None
        return begun

    def _begin_part(self, segment: Any) -> None:
        self._head = head = part_head(segment.headerlist)
        self._ignoring, self._value = False, None
        if head.name == self._file_field:
            self._begin_file(head)
        elif head.filename is not None and head.name not in self._text_fields:
            self._ignoring = True
            self._passed_over.add(_printable(head.name))
        elif head.name in self.fields:
            name = _printable(head.name)
            raise InvalidField(f"{name} comes twice; send it once.", field=name, rule="repeated")
        else:
            self._value = bytearray()

    def _begin_file(self, head: PartHead) -> None:
        if self.file is not None:
            raise InvalidField("The form holds two files; send one.", field=self._file_field, rule="repeated")
        if head.filename is None and head.content_type.partition(";")[0].strip().lower() in _TEXT:
            raise InvalidField(
                f"{self._file_field} came as text, without a file name; curl sends a file with"
                f" -F {self._file_field}=@PATH.",
                field=self._file_field,
                rule="file",
            )
        name = (head.filename or "").replace("\\", "/").rpartition("/")[2]
        self.file = FilePart(filename=name, content_type=head.content_type)

    def _ignore(self, size: int) -> None:
        self._ignored_bytes += size
        if self._ignored_bytes > self._limits.ignored_bytes:
            raise InvalidField(
                f"Only {self._file_field} may hold a file; send others by themselves.",
                field=_printable(self._head.name),
                rule="unexpected_file",
            )

    def _add_to_field(self, data: Bytes, value: bytearray) -> None:
        value += data
        self._fields_bytes += len(data)
        if len(value) > self._limits.field_bytes or self._fields_bytes > self._limits.fields_bytes:
            raise InvalidField(
                f"The field is too long: at most {self._limits.field_bytes} bytes, and"
                f" {self._limits.fields_bytes} for all fields together.",
                field=_printable(self._head.name),
                rule="max_bytes",
            )

    def _end_part(self) -> None:
        head, value = self._head, self._value
        if value is not None:
            self._end_field(head, value)
        elif not self._ignoring and self.file is not None:
            self.file.complete = True
            if not self.file.filename and not self.file.size:  # an input where no file was chosen
                self.file, self._unchosen = None, True
        self._value = None

    def _end_field(self, head: PartHead, value: bytearray) -> None:
        if head.filename == "" and not value:
            return
        try:
            self.fields[head.name] = value.decode(head.charset)
        except UnicodeDecodeError:
            raise InvalidField(
                f"The field is not {head.charset.upper()}.", field=_printable(head.name), rule="utf8"
            ) from None


def _printable(name: str) -> str:
    """A field name for an error message: short, and only printable characters."""
    return "".join(c if c.isprintable() else "?" for c in name[:64])


def _plain(error: MultipartError) -> str:
    """The parser's message without its other arguments. It calls parts segments."""
    return str(error.args[0] if error.args else "").replace("Segment", "Part").replace("segment", "part")
