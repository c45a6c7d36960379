"""Sessions in the form that callers see, and predicates on them."""

from __future__ import annotations

from strongroom.errors import InvalidField
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.upload_session_service_pb2 import (
    SESSION_KIND_DIRECT,
    SESSION_KIND_PARTIAL,
    SESSION_KIND_SEQUENTIAL,
    Session,
)
from strongroom.storage.v1.upload_pb2 import UploadResponse, UploadSession


def shown(session: Session) -> UploadSession:
    """Return the session as answered by CreateUpload, GetUpload and others."""
    return UploadSession(
        upload_id=session.upload_id,
        spec=session.blob.spec if session.HasField("blob") else None,
        persisted_size=session.persisted_size,
        size_bytes=session.size_bytes if session.HasField("size_bytes") else None,
        part_size_bytes=session.blob.part_size_bytes,
        file=session.file if session.HasField("file") else None,
        expire_time=session.expire_time if session.HasField("expire_time") else None,
        create_time=session.create_time if session.HasField("create_time") else None,
        partial=session.kind == SESSION_KIND_PARTIAL,
        finished=session.finished,
        annotation=session.annotation,
    )


def answer(session: Session) -> UploadResponse:
    """Return the response to an Upload call on a finished session."""
    return finished(session, session.file if session.HasField("file") else None, session.persisted_size)


def finished(session: Session, file: File | None, size: int) -> UploadResponse:
    """Return the response to the Upload call that finished a session: its file, or the size of a
    partial one.
    """
    if file is None:
        return UploadResponse(persisted_size=size, expire_time=session.expire_time)
    return UploadResponse(file=file, expire_time=session.expire_time)


def committed(session: Session, file: File) -> Session:
    """Return a copy of the session after it has become ``file``."""
    done = Session()
    done.CopyFrom(session)
    done.blob.state = blob_pb2.BLOB_STATE_COMMITTED
    done.file.CopyFrom(file)
    done.persisted_size = done.size_bytes = file.size_bytes
    done.prefix_crc32c = file.crc32c
    done.finished = True
    return done


def is_whole(session: Session) -> bool:
    """Whether all bytes are persisted but not committed, so that the completion has to be resumed."""
    if session.finished:
        return False
    if session.blob.state == blob_pb2.BLOB_STATE_COMPLETING:
        return True
    if session.kind == SESSION_KIND_DIRECT or not session.HasField("size_bytes"):
        return False
    return session.persisted_size == session.size_bytes


def check_writable(session: Session) -> None:
    """Raises InvalidField for sessions whose bytes don't come through Upload."""
    if session.kind not in {SESSION_KIND_SEQUENTIAL, SESSION_KIND_PARTIAL}:
        raise InvalidField(
            "The bytes of this upload don't come through Upload: complete it with CompleteUpload, or repeat"
            " ConcatenateUploads.",
            field="upload_id",
            rule="kind",
        )
