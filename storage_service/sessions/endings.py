"""Ends of sessions as callers meet them: finished, or lost for good, or to be tried again."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from storage_service.attempts.attempt import Attempts
from storage_service.metadata.reservations import handle_of
from storage_service.metadata.sessions import SessionState
from storage_service.objectstore import errors as store_errors
from storage_service.objectstore.errors import StoreError
from storage_service.objectstore.translation import to_strongroom
from storage_service.sessions.finisher import Finisher
from storage_service.sessions.hashes import Hashes
from storage_service.sessions.writer import SessionWriter
from strongroom import errors
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.type.v1.checksums_pb2 import Checksums

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: What no repetition cures: the session is over, and says so from now on.
FATAL = (
    store_errors.UploadNotFound,
    store_errors.InvalidPart,
    store_errors.ObjectNotFound,
    errors.UploadLost,
    errors.BucketNotVersioned,
    errors.ContentTypeMismatch,
    errors.ContentTypeNotAllowed,
    errors.PictureRefused,
)


class Endings:
    """Runs what may end a session; one instance per process."""

    def __init__(self, state: SessionState, attempts: Attempts, finisher: Finisher) -> None:
        self._state = state
        self._attempts = attempts
        self.finisher = finisher

    async def guard(self, blob: blob_pb2.Blob, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on a session; what can never succeed ends it, so that later queries say so.

        Raises StrongroomError only.
        """
        try:
            return await work
        except FATAL as error:
            await self.lose(blob)
            raise _as_told(error) from error
        except StoreError as error:
            raise to_strongroom(error) from error

    async def finish(
        self, writer: SessionWriter, hashes: Hashes | None = None, final: Checksums | None = None
    ) -> File | None:
        """See Finisher.finish. Bytes that don't match what was announced for the whole never will."""
        try:
            return await self.finisher.finish(writer, hashes, final)
        except errors.ChecksumMismatch:
            await self.lose(writer.blob)
            raise

    async def lose(self, blob: blob_pb2.Blob) -> None:
        """It can never be finished. Raises UploadSuperseded when another writer has it."""
        log.warning("session_lost", blob_id=blob.id)
        await self._state.lose(handle_of(blob))
        self._attempts.wake_cleaner()


def _as_told(error: Exception) -> Exception:
    """What is missing are the upload's own parts and segments, whatever the store calls them."""
    if isinstance(error, StoreError):
        return errors.UploadLost("The object store no longer has what was uploaded; start the upload again.")
    return error
