"""The size limits of the families, and the checks of an incoming body: of each message and of the whole."""

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
    """The size limit of a family: its ``name`` as users know it, and the size of its largest file."""

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
    """Size rules by the name of the field in UploadTarget, and the size of parts."""

    def __init__(self, rules: dict[str, SizeRule], *, min_part_bytes: int) -> None:
        self._rules = rules
        self._min_part = min_part_bytes
        self._largest = max(rule.max_bytes for rule in rules.values())

    def for_target(self, target: UploadTarget) -> SizeRule:
        """Return the rule of the target's family. The schema guarantees that a target is set."""
        return self._rules[target.WhichOneof("target") or ""]

    def part_size(self, declared: int | None) -> int:
        """Return the size of every part but the last: whole MiB, at least the set minimum, at most 10,000
        parts.

        ``declared``: the body's size, or None if unknown; then the largest limit of all families is assumed.
        """
        longest = self._largest if declared is None else declared
        needed = -(-longest // MAX_PARTS)
        return max(self._min_part, -(-needed // MIB) * MIB)


MAX_CHUNK = 2 << 20
"""The most data of one message, in bytes. Larger ones cost more CPU and memory than they save."""


class BodyChecks:
    """Checks one body chunk by chunk: size limit, declared size, and checksums of the whole."""

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
        """Replace the size rule, because the target was corrected. Raises SizeLimitExceeded."""
        self._rule = rule
        rule.check(self.size)

    @property
    def size_hint(self) -> int | None:
        """The body's size in bytes once it has arrived, else the declared one; None if neither is known."""
        return self.size if self.finished else self._declared

    def feed(self, chunk: Counted) -> None:
        """Check and count the next bytes. Raises SizeLimitExceeded, SizeMismatch."""
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
        """Check the whole body. Raises SizeMismatch, ChecksumMismatch, InvalidField.

        MD5, SHA-1 and SHA-256 are computed only if the spec announced them: computing them always would cost
        more than moving the bytes.
        """
        if self._declared is not None and self.size != self._declared:
            raise self._size_mismatch(str(self.size))
        for expected in (self._expected, final):
            check_crc32c(expected, self.crc32c)
            if expected.md5:
                _check_digest("md5", expected.md5, self._md5)
            if expected.sha1:
                _check_digest("sha1", expected.sha1, self._sha1)
            if expected.sha256:
                _check_digest("sha256", expected.sha256, self._sha256)
        self.finished = True

    def _size_mismatch(self, actual: str) -> SizeMismatch:
        return SizeMismatch(
            f"{self._declared} bytes were declared, {actual} arrived",
            metadata={"expected": str(self._declared), "actual": actual},
        )


def _check_digest(name: str, expected: bytes, digest: hashlib._Hash | None) -> None:
    if digest is None:
        raise InvalidField(
            f"object_checksums.{name} was not announced: send it in spec.checksums, before the bytes",
            field=f"object_checksums.{name}",
        )
    actual = digest.digest()
    if expected != actual:
        raise mismatch(name, expected.hex(), actual.hex())


def check_chunk(request: UploadRequest | UploadChunk) -> None:
    """Check the length and the checksum of one message's data. Raises ChunkTooLarge, ChecksumMismatch."""
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
    """Return the data of a message after checking its length, checksum and offset.

    The offset has to be ``received``, the number of bytes before the message: a client that goes back, or
    that never sends an offset, would lose bytes unnoticed. Messages without data may leave it out.

    Raises ChunkTooLarge, ChecksumMismatch, OffsetOutOfRange.
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
    """Return the error for bytes that a checksum doesn't fit; values as hexadecimal text."""
    return ChecksumMismatch(
        f"{algorithm} is {actual}, but {expected} was sent",
        metadata={"algorithm": algorithm, "expected": expected, "actual": actual},
    )


def check_crc32c(expected: Checksums, actual: int) -> None:
    """Raises ChecksumMismatch if ``expected`` has a CRC-32C other than ``actual``."""
    if expected.HasField("crc32c") and expected.crc32c != actual:
        raise mismatch("crc32c", f"{expected.crc32c:08x}", f"{actual:08x}")
