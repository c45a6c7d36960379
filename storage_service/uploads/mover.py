"""Moves: a copy inside the object store, whose T4 also deletes the source if it is unchanged.

In the previous release storage_service deleted the source in a second transaction, so a move could stop
between the two. `Mover` still completes such moves, and those that a metadata_service of that release
commits.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from servicekit.moments import rfc3339
from storage_service.metadata.files import FileName, FileReader
from storage_service.metadata.reservations import Reservations
from storage_service.uploads.copier import Copier
from strongroom.errors import FileNotFound, InvalidField, PreconditionFailed, RetentionHeld
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.reservation_service_pb2 import DeleteFileRequest
from strongroom.metadata.v1.target_pb2 import MovedFile
from strongroom.path_rules import as_stored
from strongroom.storage.v1.batch_pb2 import CopyFileRequest, MoveFileRequest

CHANGED: Final = (
    "The file has changed while it was moved: it stays, and so does its copy; delete one of them."
)
LEFT: Final = "What an earlier request has copied was deleted or replaced: the file stays; use a new key."


class Mover:
    """Moves files. One instance per process."""

    def __init__(self, copier: Copier, files: FileReader, reservations: Reservations) -> None:
        self._copier = copier
        self._files = files
        self._reservations = reservations

    async def move(self, request: MoveFileRequest) -> File:
        """Return the file in its new place.

        Raises what ``Copier.copy`` raises, and PreconditionFailed. With {actual, of: source} the source is
        not at the requested generation or has changed during the copy; without ``of`` the condition on the
        target failed.
        """
        copy = CopyFileRequest(source_file_id=request.source_file_id, spec=request.spec, asked=request.asked)
        earlier = await self._copier.answered(copy)
        if earlier is not None:
            return await self._completed(copy, earlier)
        source = await self._copier.read_source(request.source_file_id, request.spec.user_id)
        _check_source(request, source)
        moves = MovedFile(file_id=source.id, generation=source.generation)
        return await self._completed(copy, await self._copier.copied(copy, source, moves))

    async def _completed(self, copy: CopyFileRequest, moved: File) -> File:
        """Return ``moved``, after deleting its source if that still exists. A file that was created at the
        source's place since then is kept.
        """
        try:
            source = await self._copier.read_source(copy.source_file_id, copy.spec.user_id)
        except FileNotFound:
            return moved
        if moved.id == source.id:  # the file replaced itself
            return moved
        if _is_later(source.create_time, moved.update_time):
            return moved
        if _is_later(source.update_time, moved.update_time):
            raise _of_source(CHANGED, str(source.generation))
        return await self._without(source, moved, copy.spec.user_id)

    async def _without(self, source: File, moved: File, user_id: str) -> File:
        """Delete ``source`` and return ``moved``."""
        # The copy may come from an earlier request: of other bytes, or deleted since.
        if not _same(moved, source):
            raise _of_source(CHANGED, str(source.generation))
        if not await self._is_there(moved, user_id):
            raise _of_source(LEFT, str(source.generation))
        gone = DeleteFileRequest(file_id=source.id, user_id=user_id, if_generation_match=source.generation)
        try:
            await self._reservations.delete_file(gone)
        except FileNotFound:  # deleted by somebody else meanwhile, which is as good
            return moved
        except PreconditionFailed as error:
            raise _of_source(CHANGED, error.metadata.get("actual", "")) from error
        return moved

    async def _is_there(self, moved: File, user_id: str) -> bool:
        """Whether the copy still exists with the same bytes, before the source is deleted."""
        try:
            return _same(await self._files.get(FileName(file_id=moved.id), user_id), moved)
        except FileNotFound:
            return False


def _check_source(request: MoveFileRequest, source: File) -> None:
    """Raises PreconditionFailed, RetentionHeld, InvalidField."""
    wanted = source.generation
    if request.HasField("if_generation_match"):
        wanted = request.if_generation_match
    if source.generation != wanted:
        text = f"The file is at generation {source.generation} and not at {wanted}; read it again."
        raise _of_source(text, str(source.generation))
    _refuse_held(source)
    if _is_own_place(request, source):
        raise InvalidField("The file is at this path already.", field="path", rule="other")


def _is_later(one: Timestamp, other: Timestamp) -> bool:
    """Compare two times of files, all of which are from the database's clock."""
    return (one.seconds, one.nanos) > (other.seconds, other.nanos)


def _same(one: File, other: File) -> bool:
    return (one.size_bytes, one.crc32c) == (other.size_bytes, other.crc32c)


def _of_source(text: str, actual: str) -> PreconditionFailed:
    """Return the error marked as one about the source, so that callers can describe it in the request's
    terms.
    """
    return PreconditionFailed(text, metadata={"actual": actual, "of": "source"})


def _refuse_held(source: File) -> None:
    """Refuse a kept or held source before it is copied, because its deletion would be refused afterwards."""
    kept = source.retention
    until = kept.keep_until_time.ToDatetime(tzinfo=UTC)
    metadata = {}
    if kept.HasField("keep_until_time") and until > datetime.now(UTC):
        metadata["until"] = rfc3339(until, "seconds")
    if kept.HasField("hold"):
        metadata["hold"] = "true"
    if metadata:
        why = "is on legal hold" if "hold" in metadata else f"is kept until {metadata['until']}"
        raise RetentionHeld(f"The file {why}: it stays where it is. Copy it instead.", metadata=metadata)


def _is_own_place(request: MoveFileRequest, source: File) -> bool:
    """Whether the file is at the target path already: it would be replaced by itself, and then deleted."""
    path = as_stored(request.spec.target.path.path)
    return bool(path) and source.key.startswith("paths/") and source.key.split("/", 2)[2] == path
