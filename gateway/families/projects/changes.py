"""The body of a PATCH: changes of a project, as JSON or as a form, read while it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from gateway.families.projects.json_tree import KEEPING, MAX_VERSION, TreeFile, TreeHead, TreeReader
from gateway.families.projects.labels import LABEL, split_tags
from gateway.http.json_body import JSON, plain_body
from gateway.http.multipart import FORM_DATA
from gateway.http.multipart_files import FormFiles
from gateway.http.part_head import PartHead
from gateway.upstream.call import Call
from strongroom.errors import InvalidField, SizeLimitExceeded, UnsupportedMediaType

#: The largest file that can be right; storage_service decides.
MAX_FILE_BYTES: Final = 16 << 20
MAX_FIELD_BYTES: Final = 64 << 10
_FIELDS: Final = frozenset(
    {"name", "user_id", "expected_version", "removed", "storage_class", *KEEPING, *LABEL}
)


class Changes:
    """``async for files in changes``: files and removals as they arrive; ``head`` fills meanwhile.

    Raises InvalidField, MalformedRequest, UnsupportedMediaType, SizeLimitExceeded, ClientGone.
    """

    def __init__(self, call: Call, max_files: int) -> None:
        self.head = TreeHead()
        kind = (call.header("content-type") or "").partition(";")[0].strip().lower()
        if kind == FORM_DATA:
            call.refuse_encoded_body()
            self._pieces = self._form(FormFiles(call, field=None))
        elif kind == JSON or (kind.startswith("application/") and kind.endswith("+json")):
            reader = TreeReader(max_files, partial=True)
            self.head = reader.head
            self._pieces = _json(reader, plain_body(call))
        else:
            raise UnsupportedMediaType(
                f"Send the changes as {JSON} or {FORM_DATA}.", metadata={"expected": f"{JSON}, {FORM_DATA}"}
            )

    def __aiter__(self) -> AsyncIterator[list[TreeFile]]:
        return self._pieces

    async def _form(self, form: FormFiles) -> AsyncIterator[list[TreeFile]]:
        """A part with a file name is a file whose path is the part's name; other parts are fields."""
        while (part := await form.next()) is not None:
            if part.filename is not None:
                if part.filename:  # otherwise a file input without a file
                    yield [TreeFile(part.name, await _content(form, part.name, MAX_FILE_BYTES))]
            elif (file := self._field(part, await _content(form, part.name, MAX_FIELD_BYTES))) is not None:
                yield [file]

    def _field(self, part: PartHead, content: bytes) -> TreeFile | None:
        try:
            text = content.decode(part.charset)
        except UnicodeDecodeError:
            raise InvalidField(
                f"{part.name} is not {part.charset}.", field=part.name, rule="string"
            ) from None
        if part.name == "removed":
            return TreeFile(text, b"", removed=True)
        if part.name not in _FIELDS:
            raise InvalidField(
                f"{part.name[:200]} has no file name. A file is a part whose name is its path, with a file"
                f" name (curl: -F 'src/app.py=@app.py'); fields are {', '.join(sorted(_FIELDS))}.",
                field=part.name[:200],
                rule="unknown",
            )
        if getattr(self.head, part.name) is not None:
            raise InvalidField(f"{part.name} comes twice.", field=part.name, rule="once")
        read = {"expected_version": _version, "tags": split_tags}.get(part.name, str)
        setattr(self.head, part.name, read(text))
        return None


async def _json(reader: TreeReader, body: AsyncIterator[bytes]) -> AsyncIterator[list[TreeFile]]:
    async for chunk in body:
        yield reader.feed(chunk)
    yield reader.finish()


async def _content(form: FormFiles, name: str, limit: int) -> bytes:
    found = bytearray()
    async for chunk in form.chunks():
        found += chunk
        if len(found) > limit:
            raise SizeLimitExceeded(f"{name[:200]}: more than {limit} bytes.", metadata={"limit": str(limit)})
    return bytes(found)


def _version(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= MAX_VERSION):
        raise InvalidField(
            "expected_version must be a whole number, 0 or more.", field="expected_version", rule="integer"
        )
    return int(text)
