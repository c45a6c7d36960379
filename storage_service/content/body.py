"""How large a file of each family may be, and the checks that a body passes on its way in: of each message's
data, and of the whole.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from storage_service.objectstore import checksums
from storage_service.objectstore.checksums import Counted
from storage_service.objectstore.values import MAX_PARTS, MIB, Chunk
from strongroom.errors import (
    ChecksumMismatch,
    ChunkTooLarge,
    InvalidField,
    OffsetOutOfRange,
    SizeLimitExceeded,
    SizeMismatch,
)
from strongroom.metadata.v1.target_pb2 import UploadTarget
from strongroom.storage.v1.upload_pb2 import UploadRequest
from strongroom.type.v1.checksums_pb2 import Checksums
from strongroom.wire import UploadChunk


@dataclass(frozen=True, slots=True)
class SizeRule:
    """``name`` is what users call the family; ``max_bytes`` the largest file."""

    name: str
    max_bytes: int

    def check(self, size: int) -> None:
        """Raises SizeLimitExceeded."""
        if size > self.max_bytes:
            raise SizeLimitExceeded(
                f"the file is larger than the limit of {self.max_bytes} bytes for {self.name}",
                metadata={"limit": str(self.max_bytes), "family": self.name},
            )


class Limits:
    """Size rules by the name of UploadTarget's field, and the part size."""

    def __init__(self, rules: dict[str, SizeRule], *, min_part_bytes: int) -> None:
        self._rules = rules
        self._min_part = min_part_bytes
        self._largest = max(rule.max_bytes for rule in rules.values())

    def for_target(self, target: UploadTarget) -> SizeRule:
        """The rule of the target's family (the schema has made sure that one is set)."""
        return self._rules[target.WhichOneof("target") or ""]

    def part_size(self, declared: int | None) -> int:
        """Bytes of every part but the last: at most 10,000 parts, whole MiB, never under the set minimum."""
        longest = self._largest if declared is None else declared
        needed = -(-longest // MAX_PARTS)
        return max(self._min_part, -(-needed // MIB) * MIB)


MAX_CHUNK = 2 << 20
"""Most data one message may carry, in bytes: larger ones cost more CPU and memory than they save."""


class BodyChecks:
    """Size limit, declared size and whole-object checksums of one body, fed chunk by chunk."""

    def __init__(self, rule: SizeRule, *, declared: int | None, expected: Checksums) -> None:
        self._rule = rule
        self._declared = declared
        self._expected = expected
        self._md5 = hashlib.md5(usedforsecurity=False) if expected.md5 else None
        self._sha1 = hashlib.sha1(usedforsecurity=False) if expected.sha1 else None
        self._sha256 = hashlib.sha256() if expected.sha256 else None
        self.size = 0
        self.crc32c = 0
        self.finished = False
        if declared is not None:
            rule.check(declared)

    def hold_to(self, rule: SizeRule) -> None:
        """Another rule counts from now on (the target has been corrected). Raises SizeLimitExceeded."""
        self._rule = rule
        rule.check(self.size)

    @property
    def size_hint(self) -> int | None:
        """The size of the body as far as it is known: all of it has arrived, or it was declared."""
        return self.size if self.finished else self._declared

    def feed(self, chunk: Counted) -> None:
        """Take the next bytes. Raises SizeLimitExceeded, SizeMismatch."""
        data = chunk.data
        self.size += len(data)
        self._rule.check(self.size)
        if self._declared is not None and self.size > self._declared:
            raise self._size_mismatch(f"more than {self._declared}")
        self.crc32c = checksums.append(self.crc32c, chunk)
        if self._md5:
            self._md5.update(data)
        if self._sha1:
            self._sha1.update(data)
        if self._sha256:
            self._sha256.update(data)

    def finish(self, final: Checksums) -> None:
        """The body is whole. Raises SizeMismatch, ChecksumMismatch, InvalidField.

        MD5 and SHA-256 are computed only when the spec announced them: computing both always would cost more
        than moving the bytes.
        """
        if self._declared is not None and self.size != self._declared:
            raise self._size_mismatch(str(self.size))
        for expected in (self._expected, final):
            check_crc32c(expected, self.crc32c)
            self._check_digest("md5", expected.md5, self._md5.digest() if self._md5 else None)
            self._check_digest("sha1", expected.sha1, self._sha1.digest() if self._sha1 else None)
            self._check_digest("sha256", expected.sha256, self._sha256.digest() if self._sha256 else None)
        self.finished = True

    def _check_digest(self, name: str, expected: bytes, actual: bytes | None) -> None:
        if not expected:
            return
        if actual is None:
            raise InvalidField(
                f"object_checksums.{name} was not announced: send it in spec.checksums, before the bytes",
                field=f"object_checksums.{name}",
            )
        if expected != actual:
            raise mismatch(name, expected.hex(), actual.hex())

    def _size_mismatch(self, actual: str) -> SizeMismatch:
        return SizeMismatch(
            f"{self._declared} bytes were declared, {actual} arrived",
            metadata={"expected": str(self._declared), "actual": actual},
        )


def check_chunk(request: UploadRequest | UploadChunk) -> None:
    """One message's data: not too much, and what its own checksum says. Raises ChunkTooLarge,
    ChecksumMismatch.
    """
    if _chunk_crc32c(request) is None:
        _check_length(request.data)
    else:
        _counted(request)


def _check_length(data: Chunk) -> None:
    if len(data) > MAX_CHUNK:
        raise ChunkTooLarge(
            f"a message carries {len(data)} bytes of data; send at most {MAX_CHUNK}",
            metadata={"limit": str(MAX_CHUNK)},
        )


def _counted(request: UploadRequest | UploadChunk) -> Counted:
    data = request.data
    _check_length(data)
    chunk = Counted.of(data, tail_of=request.tail_of if isinstance(request, UploadChunk) else b"")
    expected = _chunk_crc32c(request)
    if expected is not None and chunk.crc32c != expected:
        raise mismatch("crc32c", f"{expected:08x}", f"{chunk.crc32c:08x}")
    return chunk


def checked_chunk(request: UploadRequest | UploadChunk, received: int) -> Counted:
    """Data of the message, which follows the ``received`` bytes before it: what went back would be skipped,
    whatever it holds, and who never says where it is would lose all but the first message.
    """
    chunk = _counted(request)
    if request.write_offset != received and (len(chunk) or request.write_offset):
        raise OffsetOutOfRange(
            f"The message begins at {request.write_offset}, and {received} bytes have been received.",
            metadata={"persisted_size": str(received)},
        )
    return chunk


def _chunk_crc32c(request: UploadRequest | UploadChunk) -> int | None:
    if isinstance(request, UploadChunk):
        return request.crc32c
    return request.crc32c if request.HasField("crc32c") else None


def mismatch(algorithm: str, expected: str, actual: str) -> ChecksumMismatch:
    """The error for bytes that are not those a checksum describes; values as hexadecimal text."""
    return ChecksumMismatch(
        f"{algorithm} is {actual}, but {expected} was sent",
        metadata={"algorithm": algorithm, "expected": expected, "actual": actual},
    )


def check_crc32c(expected: Checksums, actual: int) -> None:
    """Raises ChecksumMismatch where ``expected`` names a CRC-32C and ``actual`` is another."""
    if expected.HasField("crc32c") and expected.crc32c != actual:
        raise mismatch("crc32c", f"{expected.crc32c:08x}", f"{actual:08x}")
