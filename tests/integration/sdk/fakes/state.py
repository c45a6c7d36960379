"""The fakes' common state: files, idempotency keys, and faults."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import google_crc32c
import jwt

from strongroom import errors
from strongroom.metadata.v1 import file_pb2, target_pb2
from strongroom.storage.v1.diagnostics_service_pb2 import BucketReport, InternalCall

SECRET = "a-secret-for-tests-that-is-long-enough"
LIMIT = 64 * 1024 * 1024


def token(sub: str = "alice", *, lifetime: float = 3600, role: str | None = None) -> str:
    """A token that the fakes accept."""
    claims: dict[str, object] = {"sub": sub, "iat": int(time.time()), "exp": int(time.time() + lifetime)}
    return jwt.encode(claims | ({"role": role} if role else {}), SECRET, algorithm="HS256")


@dataclass
class Fault:
    """One call fails after ``after_bytes``: with ``error``, or (None) by ending early. ``after_commit``: the
    file is stored first, so only the answer is lost.
    """

    error: errors.StrongroomError | None
    after_bytes: int = 0
    after_commit: bool = False


@dataclass
class Stored:
    """A file with its content."""

    file: file_pb2.File
    data: bytes


@dataclass
class State:
    """The state of all fakes. Faults are consumed one per call, in order; None in the list: this call
    succeeds.
    """

    stored: dict[str, Stored] = field(default_factory=dict)
    replies: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)
    upload_faults: list[Fault | None] = field(default_factory=list)
    download_faults: list[Fault | None] = field(default_factory=list)
    unary_faults: list[Fault | None] = field(default_factory=list)
    #: Raised after the request was carried out.
    lost_answers: list[errors.StrongroomError] = field(default_factory=list)
    moved: dict[tuple[str, bytes], file_pb2.File] = field(default_factory=dict)
    bucket: BucketReport = field(default_factory=BucketReport)
    internal_call: InternalCall = field(default_factory=lambda: InternalCall(outcome=InternalCall.OUTCOME_OK))
    clock_ahead: int = 0
    #: Called with each data message before it is sent; awaiting in it makes the service slow.
    corrupt: Callable[[bytes], bytes] = lambda data: data
    calls: list[str] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    cancelled: int = 0
    limit_bytes: int | None = None

    def owner(self, metadata: dict[str, str], user_id: str = "") -> str:
        """The owner that the call is for, after the checks of the real services in brief."""
        self.metadata.append(metadata)
        given = metadata.get("authorization", "").removeprefix("Bearer ")
        if not given:
            raise errors.TokenMissing("Send a token.")
        try:
            claims = jwt.decode(given, SECRET, algorithms=["HS256"])
        except jwt.ExpiredSignatureError as error:
            raise errors.TokenExpired("The token has expired.") from error
        except jwt.InvalidTokenError as error:
            raise errors.TokenInvalid("The token is not valid.", metadata={"claim": "signature"}) from error
        if user_id and user_id != claims["sub"] and claims.get("role") != "admin":
            raise errors.UserMismatch("You may only act for yourself.")
        return user_id or str(claims["sub"])

    def take(self, faults: list[Fault | None]) -> Fault | None:
        """The fault for this call."""
        return faults.pop(0) if faults else None

    def find(self, owner: str, file_id: str, key: str, *, show_deleted: bool = False) -> Stored:
        """A visible file of the owner."""
        for stored in self.stored.values():
            named = stored.file.id == file_id if file_id else stored.file.key == key
            hidden = stored.file.HasField("delete_time") and not show_deleted
            if named and stored.file.owner_id == owner and not hidden:
                return stored
        raise errors.FileNotFound("There is no such file.")

    def commit(self, owner: str, spec: target_pb2.UploadSpec, data: bytes) -> file_pb2.File:
        """Store the file, replacing the one at the same path."""
        file_id, generation = str(uuid.uuid4()), 1
        family, key = _place(owner, spec, file_id)
        for stored in list(self.stored.values()):
            if stored.file.key == key:
                file_id, generation = stored.file.id, stored.file.generation + 1
        file = file_pb2.File(
            id=file_id,
            owner_id=owner,
            family=family,
            key=key,
            filename=spec.filename or key.rsplit("/", 1)[-1],
            content_type=spec.content_type or "application/octet-stream",
            size_bytes=len(data),
            etag=hashlib.md5(data).hexdigest(),
            generation=generation,
            version_id=uuid.uuid4().hex,
            crc32c=google_crc32c.value(data),
            metadata=spec.metadata,
            visibility=spec.visibility or file_pb2.VISIBILITY_PRIVATE,
        )
        file.create_time.GetCurrentTime()
        file.update_time.CopyFrom(file.create_time)
        if spec.target.HasField("event_media"):
            media = spec.target.event_media
            file.event_media_details.event_id = media.event_id
            file.event_media_details.tags.extend(media.tags)
        self.stored[file_id] = Stored(file, data)
        return file


def _place(
    owner: str, spec: target_pb2.UploadSpec, file_id: str
) -> tuple[file_pb2.FileFamily.ValueType, str]:
    found = re.search(r"\.([a-z0-9]{1,10})$", spec.filename)
    extension = found[1] if found else "bin"
    match spec.target.WhichOneof("target"):
        case "path":
            return file_pb2.FILE_FAMILY_PATH, f"paths/{owner}/{spec.target.path.path}"
        case "event_media":
            return (
                file_pb2.FILE_FAMILY_EVENT_MEDIA,
                f"events/{spec.target.event_media.event_id}/media/{file_id}",
            )
        case "temp":
            return file_pb2.FILE_FAMILY_TEMP, f"temp/{file_id}"
        case _:
            folder = target_pb2.FileFolder.Name(spec.target.file.folder).rpartition("_")[2].lower()
            return file_pb2.FILE_FAMILY_FILE, f"{folder}/{owner}/{file_id}.{extension}"
