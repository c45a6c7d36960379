"""Files in a dictionary, with the responses of metadata_service and the checks of storage_service."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import google_crc32c
from google.protobuf.timestamp_pb2 import Timestamp

from servicekit.auth.principal import effective_owner
from servicekit.context import current_principal
from strongroom.errors import (
    ChecksumMismatch,
    FileNotFound,
    IdempotencyKeyReused,
    InvalidPageToken,
    PreconditionFailed,
    SizeMismatch,
)
from strongroom.metadata.v1.file_pb2 import FILE_FAMILY_FILE, File
from strongroom.metadata.v1.target_pb2 import FILE_FOLDER_AUDIO, FILE_FOLDER_DOCUMENTS, UploadSpec
from strongroom.type.v1.checksums_pb2 import Checksums

OCTET_STREAM: Final = "application/octet-stream"


@dataclass
class MemoryStore:
    """All users' files. ``limit``: size of the largest allowed body in bytes."""

    limit: int = 5 * 1024**3
    files: dict[str, tuple[File, bytes]] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[bytes, File]] = field(default_factory=dict)

    def commit(self, spec: UploadSpec, data: bytes) -> File:
        """Verify the declared properties and make the file visible. A repeat of a request gets its first
        answer.
        """
        owner = effective_owner(current_principal(), spec.user_id)
        verify(spec, data)
        request = (owner, spec.request_id)
        fingerprint = hashlib.sha256(spec.SerializeToString(deterministic=True) + data).digest()
        if spec.request_id and request in self.answers:
            known, answer = self.answers[request]
            if known != fingerprint:
                raise IdempotencyKeyReused("The idempotency key was used before, for another request.")
            return answer
        file = new_file(owner, spec, data)
        self.files[file.id] = (file, data)
        if spec.request_id:
            self.answers[request] = (fingerprint, file)
        return file

    def find(self, name: str, user_id: str) -> tuple[File, bytes]:
        """A file of the caller by id or key."""
        owner = effective_owner(current_principal(), user_id)
        for file, data in self.files.values():
            if name in {file.id, file.key} and file.owner_id == owner:
                return file, data
        raise FileNotFound("There is no such file.")

    def delete(self, name: str, user_id: str, generation: int | None) -> File:
        """Make a file invisible."""
        file, _ = self.find(name, user_id)
        if generation is not None and generation != file.generation:
            raise PreconditionFailed("The file has changed.", metadata={"actual": str(file.generation)})
        del self.files[file.id]
        return file

    def page(self, prefix: str, size: int, token: str, user_id: str) -> tuple[list[File], str]:
        """Files of the caller in byte order of their keys, and the token for the next page."""
        owner = effective_owner(current_principal(), user_id)
        after = _after(token, prefix)
        found = sorted(
            (
                file
                for file, _ in self.files.values()
                if file.owner_id == owner and file.key.startswith(prefix)
            ),
            key=lambda file: file.key.encode(),
        )
        rest = [file for file in found if file.key.encode() > after.encode()]
        page = rest[:size]
        return page, _token(prefix, page[-1].key) if len(rest) > size else ""

    def of(self, owner: str) -> Iterator[tuple[File, bytes]]:
        """A user's files, bypassing all interceptors, for assertions."""
        return (entry for entry in self.files.values() if entry[0].owner_id == owner)


def verify(spec: UploadSpec, data: bytes) -> None:
    """Verify the size and checksums in the spec."""
    if spec.HasField("size_bytes") and spec.size_bytes != len(data):
        raise SizeMismatch(
            "Not as many bytes as declared.",
            metadata={"expected": str(spec.size_bytes), "actual": str(len(data))},
        )
    verify_checksums(spec.checksums, data)


def verify_checksums(stated: Checksums, data: bytes) -> None:
    """Verify all checksums that are given."""
    sums = {
        "md5": (stated.md5, hashlib.md5(data).digest()),
        "sha256": (stated.sha256, hashlib.sha256(data).digest()),
    }
    for algorithm, (expected, actual) in sums.items():
        if expected and expected != actual:
            raise _mismatch(algorithm, expected.hex(), actual.hex())
    if stated.HasField("crc32c") and stated.crc32c != google_crc32c.value(data):
        raise _mismatch("crc32c", f"{stated.crc32c:08x}", f"{google_crc32c.value(data):08x}")


def new_file(owner: str, spec: UploadSpec, data: bytes) -> File:
    """The row of a plain file."""
    now = Timestamp()
    now.GetCurrentTime()
    content_type = spec.content_type or OCTET_STREAM
    metadata = {
        "user_id": owner,
        "original_filename": spec.filename,
        "content_type": content_type,
        "upload_timestamp": now.ToJsonString(),
    }
    target = spec.target.file
    folder, parent = "uploads", owner
    if target.folder == FILE_FOLDER_DOCUMENTS:
        folder = "documents"
    elif target.folder == FILE_FOLDER_AUDIO:
        folder, parent = "audio", target.class_id
        metadata["class_id"] = target.class_id
    extension = spec.filename.rpartition(".")[2].lower() if "." in spec.filename else "bin"
    return File(
        id=str(uuid.uuid4()),
        owner_id=owner,
        family=FILE_FAMILY_FILE,
        key=f"{folder}/{parent}/{uuid.uuid4()}.{extension}",
        filename=spec.filename,
        content_type=content_type,
        visibility=spec.visibility,
        size_bytes=len(data),
        etag=hashlib.md5(data).hexdigest(),
        generation=1,
        crc32c=google_crc32c.value(data),
        metadata=metadata,
        create_time=now,
        update_time=now,
    )


def _token(prefix: str, key: str) -> str:
    return base64.urlsafe_b64encode(f"{prefix}\0{key}".encode()).decode()


def _after(token: str, prefix: str) -> str:
    if not token:
        return ""
    try:
        asked, _, key = base64.urlsafe_b64decode(token).decode().partition("\0")
    except ValueError:
        raise InvalidPageToken("The page token is not one of ours.") from None
    if asked != prefix:
        raise InvalidPageToken("The page token belongs to another query.")
    return key


def _mismatch(algorithm: str, expected: str, actual: str) -> ChecksumMismatch:
    return ChecksumMismatch(
        f"The bytes do not have the {algorithm} that was sent.",
        metadata={"algorithm": algorithm, "expected": expected, "actual": actual},
    )
