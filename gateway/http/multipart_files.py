"""``multipart/form-data`` with several files, streamed one after the other; none is held in memory.

For forms that consist of files: text fields are skipped unless all parts are requested.
``multipart.FormReader`` reads forms with one file and meaningful fields.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

from multipart import MultipartError, ParserLimitReached, PushMultipartParser

from gateway.http.exchange import Body, Exchange
from gateway.http.multipart import boundary_of
from gateway.http.part_head import PartHead, part_head
from strongroom.errors import MalformedRequest, SizeLimitExceeded, UploadIncomplete

MAX_PARTS: Final = 1000
#: Most bytes of skipped fields and files.
MAX_PASSED_BYTES: Final = 64 * 1024 * 1024
_HEADERS: Final = 8
_HEADER_BYTES: Final = 8192


class FormFiles:
    """The files of one request. Call ``next`` and then ``chunks`` for each."""

    def __init__(self, exchange: Exchange, *, field: str | None = "file") -> None:
        """``field``: the name of the files' parts; None: all parts, fields included.

        :raises UnsupportedMediaType, MalformedRequest: the form can't be read.
        """
        self._parser = PushMultipartParser(
            boundary_of(exchange.header("content-type")),
            max_header_size=_HEADER_BYTES,
            max_header_count=_HEADERS,
            max_segment_count=MAX_PARTS,
            header_charset="latin-1",
        )
        self._body = Body(exchange)
        self._field = field
        self._events: deque[Any] = deque()
        self._inside = False
        self._passed = 0

    async def next(self) -> PartHead | None:
        """The head of the next file; the rest of the previous one is skipped. None: the form has ended with
        its final boundary.

        :raises UploadIncomplete: it ended without.
        :raises MalformedRequest, SizeLimitExceeded, ClientGone.
        """
        while True:
            event = await self._event()
            if event is _END:
                return None
            if event is None:
                self._inside = False
            elif isinstance(event, bytes | bytearray):
                self._pass_over(len(event))
            else:
                head = part_head(event.headerlist)
                if self._field is None or (head.name == self._field and head.filename):
                    self._inside = True
                    return head

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the file whose head was returned last. Raises as ``next``."""
        while self._inside:
            event = await self._event()
            if event is None:
                self._inside = False
            elif isinstance(event, bytes | bytearray):
                yield bytes(event)
            else:
                raise MalformedRequest("The form is malformed: a part begins inside of another.")

    async def _event(self) -> Any:
        while not self._events:
            if not self._body.more:
                try:
                    self._parser.close()
                except MultipartError:
                    raise UploadIncomplete(
                        "The form ended before its final boundary. Files after the last one named were not"
                        " stored; send them again."
                    ) from None
                return _END
            piece = await self._body.take()
            if piece:
                self._parse(piece)
        return self._events.popleft()

    def _parse(self, piece: bytes) -> None:
        try:
            self._events.extend(self._parser.parse(piece))
        except ParserLimitReached:
            raise MalformedRequest(
                f"The form passes a limit: it may have {MAX_PARTS} parts, each with {_HEADERS} lines of"
                f" header of {_HEADER_BYTES} bytes."
            ) from None
        except MultipartError:
            raise MalformedRequest("The form is malformed.") from None

    def _pass_over(self, size: int) -> None:
        self._passed += size
        if self._passed > MAX_PASSED_BYTES:
            raise SizeLimitExceeded(
                f"The form has more than {MAX_PASSED_BYTES} bytes in parts that are ignored.",
                metadata={"limit": str(MAX_PASSED_BYTES)},
            )


_END: Final = object()
