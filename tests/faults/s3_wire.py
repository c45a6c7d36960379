"""The parts of HTTP/1.1 and of S3's requests that the fault proxy needs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote

_HEAD_LIMIT: Final = 64 * 1024
_READ: Final = 256 * 1024
_BODILESS: Final = frozenset({204, 304})


@dataclass(frozen=True)
class Head:
    """First line and headers of a message, in their original order and spelling."""

    line: str
    headers: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        """The value of a header, or an empty text."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    def with_headers(self, **changed: str) -> Head:
        """The same head; ``content_length="3"`` replaces Content-Length, an empty value removes it."""
        names = {name.replace("_", "-"): value for name, value in changed.items()}
        kept = [(key, value) for key, value in self.headers if key.lower() not in names]
        return Head(self.line, (*kept, *((name, value) for name, value in names.items() if value)))

    def encode(self) -> bytes:
        """As bytes on the wire."""
        lines = [self.line, *(f"{key}: {value}" for key, value in self.headers), "", ""]
        return "\r\n".join(lines).encode("latin-1")


@dataclass(frozen=True)
class Reply:
    """A whole reply."""

    head: Head
    body: bytes

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.head.line.split(" ", 2)[1])

    def encode(self, *, to_head: bool) -> bytes:
        """With the length of its body. ``to_head``: as the answer to HEAD, with the length of the object."""
        if to_head:
            return self.head.with_headers(connection="").encode()
        sized = self.head.with_headers(
            connection="", transfer_encoding="", content_length=str(len(self.body))
        )
        return sized.encode() + self.body


def error_reply(status: int, code: str) -> Reply:
    """An S3 error; with ``status`` 200 as from a CompleteMultipartUpload that fails after it has begun to
    answer.
    """
    error = f"<Error><Code>{code}</Code><Message>injected</Message></Error>"
    xml = f"<?xml version='1.0' encoding='UTF-8'?>\n{error}"
    headers = (("Content-Type", "application/xml"), ("x-amz-request-id", "injected"))
    return Reply(Head(f"HTTP/1.1 {status} injected", headers), xml.encode())


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head; None if the connection ends before it."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, *rest = raw[:-4].decode("latin-1").split("\r\n")
    return Head(line, tuple((key, value.strip()) for key, _, value in (item.partition(":") for item in rest)))


@dataclass(frozen=True)
class Request:
    """A request's head, and its S3 operation."""

    head: Head

    @property
    def method(self) -> str:
        return self.head.line.split(" ", 1)[0]

    @property
    def path(self) -> str:
        """Bucket and key, decoded: ``/bucket/key``."""
        return unquote(self.head.line.split(" ", 2)[1].partition("?")[0])

    @property
    def about(self) -> str:
        """The path; for a listing also the prefix."""
        prefix = parse_qs(self.head.line.split(" ", 2)[1].partition("?")[2]).get("prefix", [""])[0]
        return f"{self.path}/{prefix}" if prefix else self.path

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return int(self.head.get("content-length") or 0)

    @property
    def operation(self) -> str:
        """S3's name of the operation."""
        query = parse_qs(self.head.line.split(" ", 2)[1].partition("?")[2], keep_blank_values=True)
        key = self.path.lstrip("/").partition("/")[2]
        return _of_object(self, query) if key else _of_bucket(self.method, query)


def _of_object(request: Request, query: Iterable[str]) -> str:
    copies = bool(request.head.get("x-amz-copy-source"))
    match request.method:
        case "PUT" if "partNumber" in query:
            return "UploadPartCopy" if copies else "UploadPart"
        case "PUT":
            return "CopyObject" if copies else "PutObject"
        case "POST":
            return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
        case "DELETE":
            return "AbortMultipartUpload" if "uploadId" in query else "DeleteObject"
        case "GET":
            return "ListParts" if "uploadId" in query else "GetObject"
    return "HeadObject"


def _of_bucket(method: str, query: Iterable[str]) -> str:
    names = {
        "uploads": "ListMultipartUploads",
        "versions": "ListObjectVersions",
        "list-type": "ListObjectsV2",
        "versioning": "GetBucketVersioning",
    }
    if method == "POST":
        return "DeleteObjects"
    return next((name for key, name in names.items() if key in query), "HeadBucket")


async def copy_exactly(source: asyncio.StreamReader, target: asyncio.StreamWriter, size: int) -> None:
    """Copy ``size`` bytes. Raises IncompleteReadError if the source ends earlier."""
    left = size
    while left:
        piece = await source.read(min(left, _READ))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
        target.write(piece)
        await target.drain()


async def copy_to_end(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until the source ends."""
    while piece := await source.read(_READ):
        target.write(piece)
        await target.drain()


async def read_reply(reader: asyncio.StreamReader, method: str) -> Reply:
    """A whole reply. Raises ConnectionError if there is none."""
    head = await read_head(reader)
    while head is not None and head.line.split(" ", 2)[1] == "100":
        head = await read_head(reader)
    if head is None:
        raise ConnectionError("the store closed the connection instead of answering")
    if method == "HEAD" or int(head.line.split(" ", 2)[1]) in _BODILESS:
        return Reply(head, b"")
    if head.get("transfer-encoding").lower() == "chunked":
        return Reply(head, await _read_chunks(reader))
    if length := head.get("content-length"):
        return Reply(head, await reader.readexactly(int(length)))
    return Reply(head, await reader.read())


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        continue
    return body
