"""The format of a SaveProject stream: spec, then each file's head and data, finish_write last.

The end of a stream means nothing, because grpc.aio ends a handler's iterator cleanly when the client dies.
Only ``finish_write`` says that the save is complete; without it ``files()`` raises UploadIncomplete.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable

from storage_service.content.assembler import ChunkList
from storage_service.content.body import MAX_CHUNK
from storage_service.objectstore import checksums
from storage_service.objectstore.values import Chunk
from storage_service.projects.limits import ProjectLimits
from storage_service.projects.tree_names import NameRefused, PathSet, check_portable
from strongroom.errors import (
    ChecksumMismatch,
    ChunkTooLarge,
    InvalidField,
    MalformedRequest,
    PathInvalid,
    SizeLimitExceeded,
    SizeMismatch,
    UploadIncomplete,
)
from strongroom.errors.base import Violation
from strongroom.path_rules import as_stored
from strongroom.storage.v1.project_pb2 import (
    SaveProjectArchiveRequest,
    SaveProjectFile,
    SaveProjectRequest,
    SaveProjectSpec,
)

SHA256_SIZE = 32
_INLINE_BYTES = 128 * 1024
"""Up to this size hashing is faster than switching to a thread."""


class BodyDigest:
    """Size, CRC-32C and SHA-256 of the bytes fed."""

    def __init__(self) -> None:
        self.size = 0
        self.crc32c = 0
        self._sha256 = hashlib.sha256()

    async def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self.size += len(data)
        self.crc32c = checksums.extend(self.crc32c, data)
        if len(data) <= _INLINE_BYTES:
            self._sha256.update(data)
        else:
            await asyncio.to_thread(self._sha256.update, data)

    @property
    def sha256(self) -> bytes:
        """32 bytes."""
        return self._sha256.digest()


class ContentDigest:
    """The digest by which two saves are equal: path, size, SHA-256 and executable bit of each file, in any
    order.
    """

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def add(self, path: str, size: int, sha256: bytes, *, executable: bool | None = None) -> None:
        """Add a file."""
        told = {None: b"", False: b"-", True: b"x"}[executable]
        self._lines.append(hashlib.sha256(f"{size}\0{path}\0".encode() + sha256 + told).digest())

    def remove(self, path: str) -> None:
        """Add a file that a partial save removes."""
        self._lines.append(hashlib.sha256(f"removed\0{path}".encode()).digest())

    @property
    def sha256(self) -> bytes:
        """32 bytes."""
        return hashlib.sha256(b"".join(sorted(self._lines))).digest()


class IncomingFile:
    """One file of the stream: read its ``chunks`` before requesting the next file."""

    def __init__(self, stream: SaveStream, head: SaveProjectFile) -> None:
        self._stream = stream
        self.head = head
        self.digest = BodyDigest()

    @property
    def executable(self) -> bool | None:
        """None: the client does not tell it."""
        return self.head.executable if self.head.HasField("executable") else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content, which is verified at its end; nothing for an unchanged or removed file.

        Raises SizeMismatch, ChecksumMismatch, ChunkTooLarge, MalformedRequest.
        """
        async for data in self._stream.data():
            if self.head.unchanged or self.head.removed:
                kind = "a removed" if self.head.removed else "an unchanged"
                raise MalformedRequest(f"{shown(self.head.path)}: {kind} file carries no data")
            if self.digest.size + len(data) > self.head.size_bytes:
                raise self._size_mismatch(f"more than {self.head.size_bytes}")
            await self.digest.feed(data)
            yield data
        if not (self.head.unchanged or self.head.removed):
            self._check_content()

    async def gathered(self, take: Callable[[int], Awaitable[None]]) -> list[Chunk]:
        """All of ``chunks``. Small ones are joined, so that a peer that sends single bytes does not multiply
        the memory.

        ``take`` waits for memory for this many bytes.
        """
        kept = ChunkList()
        async for data in self.chunks():
            await take(len(data))
            kept.append(data)
        return kept.chunks

    def _check_content(self) -> None:
        if self.digest.size != self.head.size_bytes:
            raise self._size_mismatch(str(self.digest.size))
        if self.head.HasField("crc32c") and self.head.crc32c != self.digest.crc32c:
            raise self._mismatch("crc32c", f"{self.head.crc32c:08x}", f"{self.digest.crc32c:08x}")
        if self.head.sha256 and self.head.sha256 != self.digest.sha256:
            raise self._mismatch("sha256", self.head.sha256.hex(), self.digest.sha256.hex())

    def _mismatch(self, algorithm: str, expected: str, actual: str) -> ChecksumMismatch:
        return ChecksumMismatch(
            f"{shown(self.head.path)}: {algorithm} is {actual}, but {expected} was sent",
            metadata={"algorithm": algorithm, "expected": expected, "actual": actual},
        )

    def _size_mismatch(self, actual: str) -> SizeMismatch:
        return SizeMismatch(
            f"{shown(self.head.path)}: {self.head.size_bytes} bytes were declared, {actual} arrived",
            metadata={"expected": str(self.head.size_bytes), "actual": actual},
        )


class SaveStream:
    """The request stream of one SaveProject call: read ``spec()``, then iterate ``files()`` once."""

    def __init__(self, requests: AsyncIterator[SaveProjectRequest], limits: ProjectLimits) -> None:
        self._requests = requests
        self._limits = limits
        self._pending: SaveProjectRequest | None = None
        self._files = self._total = 0
        self._partial = False
        self._paths = PathSet()
        self._removed: set[str] = set()

    async def spec(self) -> SaveProjectSpec:
        """The first message. Raises UploadIncomplete, MalformedRequest."""
        first = await self._next()
        if first.WhichOneof("message") != "spec":
            raise MalformedRequest("the first message of SaveProject must carry spec")
        self._partial = first.spec.partial
        return first.spec

    async def files(self) -> AsyncIterator[IncomingFile]:
        """Each file. Ends only after finish_write. Raises the limits' errors, MalformedRequest,
        UploadIncomplete.
        """
        while True:
            message = self._pending or await self._next()
            self._pending = None
            match message.WhichOneof("message"):
                case "file":
                    if message.file.removed:
                        self._check_removal(message.file)
                    else:
                        self._check(message.file)
                    file = IncomingFile(self, message.file)
                    yield file
                case "finish_write" if message.finish_write:
                    return
                case _:
                    raise MalformedRequest("after spec come files, each with its head, then finish_write")

    async def data(self) -> AsyncIterator[bytes]:
        """The data of the current file, for IncomingFile."""
        while True:
            message = await self._next()
            if message.WhichOneof("message") != "data":
                self._pending = message
                return
            yield checked_data(message.data)

    async def _next(self) -> SaveProjectRequest:
        try:
            async for request in self._requests:
                return request
        except InvalidField as error:
            raise _named(error, self._files) from error
        raise UploadIncomplete(
            f"the stream ended after {self._files} files without finish_write; nothing was saved"
        )

    def _check(self, head: SaveProjectFile) -> None:
        self._files += 1
        self._total += head.size_bytes
        try:
            self._limits.check(files=self._files, largest=head.size_bytes, total=self._total)
        except SizeLimitExceeded as error:
            error.violations = (Violation(self._place, "max_file_bytes", error.message),)
            raise
        self._check_path(as_stored(head.path))
        if (head.sha256 and len(head.sha256) != SHA256_SIZE) or (head.unchanged and not head.sha256):
            raise InvalidField(
                f"{shown(head.path)}: sha256 has {SHA256_SIZE} bytes, and unchanged needs it",
                field=f"{self._place}.sha256",
            )

    def _check_removal(self, head: SaveProjectFile) -> None:
        """Check a removal. Its path may be one that would be refused today. Raises MalformedRequest,
        PathInvalid.
        """
        if not self._partial:
            raise MalformedRequest("only a partial save removes files; leave out what is not to be saved")
        path, place = as_stored(head.path), f"removed[{len(self._removed)}]"
        if path in self._removed:
            raise self._refused(path, "duplicate_path", "the path is removed twice", place)
        if self._paths.holds(path):
            raise self._refused(path, "duplicate_path", "the path is sent, and removed", place)
        self._removed.add(path)

    @property
    def _place(self) -> str:
        """The current file's place in the JSON of a save."""
        return f"files[{self._files - 1}]"

    def _check_path(self, path: str) -> None:
        """Check a path by the rules of ZIP entries. Raises PathInvalid {path, rule}."""
        if path in self._removed:
            raise self._refused(
                path, "duplicate_path", "the path is removed, and sent", f"{self._place}.path"
            )
        try:
            check_portable(path)
            self._paths.add(path)
        except NameRefused as error:
            rule = "duplicate_path" if error.rule == "duplicate_name" else error.rule
            raise self._refused(path, rule, error.message, f"{self._place}.path") from error

    @staticmethod
    def _refused(path: str, rule: str, reason: str, place: str) -> PathInvalid:
        message = f"{shown(path)}: {reason}."
        return PathInvalid(
            message,
            metadata={"path": shown(path), "rule": rule},
            violations=(Violation(place, rule, message),),
        )


class ArchiveStream:
    """The request stream of one SaveProjectArchive call: read ``spec()``, then iterate ``chunks()`` once."""

    def __init__(self, requests: AsyncIterator[SaveProjectArchiveRequest]) -> None:
        self._requests = requests
        self.digest = BodyDigest()

    async def spec(self) -> SaveProjectSpec:
        """The first message. Raises UploadIncomplete, MalformedRequest."""
        first = await self._next()
        if first.WhichOneof("message") != "spec":
            raise MalformedRequest("the first message of SaveProjectArchive must carry spec")
        return first.spec

    async def chunks(self) -> AsyncIterator[bytes]:
        """The ZIP's bytes. Ends only after finish_write."""
        while True:
            message = await self._next()
            match message.WhichOneof("message"):
                case "data":
                    data = checked_data(message.data)
                    await self.digest.feed(data)
                    if data:
                        yield data
                case "finish_write" if message.finish_write:
                    return
                case _:
                    raise MalformedRequest("after spec come data messages, then finish_write")

    async def _next(self) -> SaveProjectArchiveRequest:
        async for request in self._requests:
            return request
        raise UploadIncomplete(
            f"the stream ended after {self.digest.size} bytes without finish_write; nothing was saved"
        )


def checked_data(data: bytes) -> bytes:
    """Return ``data``. Raises ChunkTooLarge if it is longer than MAX_CHUNK."""
    if len(data) > MAX_CHUNK:
        raise ChunkTooLarge(
            f"a message carries {len(data)} bytes of data; send at most {MAX_CHUNK}",
            metadata={"limit": str(MAX_CHUNK)},
        )
    return data


def _named(error: InvalidField, index: int) -> InvalidField:
    """Name the field in the whole save: protos' rules know only one message, so ``file.path`` is
    ``files[3].path``.
    """

    def place(text: str) -> str:
        return re.sub(r"\bfile(?=\.[a-z])", f"files[{index}]", text)

    return InvalidField(
        place(error.message),
        field=place(error.metadata.get("field", "")),
        rule=error.metadata.get("rule"),
        violations=[Violation(place(one.field), one.rule, place(one.message)) for one in error.violations],
    )


def shown(path: str) -> str:
    """A path for an error message: escaped and shortened."""
    return ascii(path)[1:-1][:200]
