"""Joins finished partial uploads into one file.

If S3's part limits allow ("Multipart upload limits": every part but the last has at least 5 MiB), the pieces
are copied inside the store, one part each; otherwise their bytes are streamed through the writer of an
ordinary session. The pieces are kept until they expire, because tus lets a client use one again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from servicekit import failpoints
from storage_service.attempts.engine import fingerprint
from storage_service.content.body import Limits
from storage_service.content.picture_sizes import MOST_HEADER_BYTES
from storage_service.metadata.sessions import SessionState
from storage_service.objectstore.errors import NotSupportedByStore, ObjectNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import MAX_PART_SIZE, MIN_PART_SIZE, ObjectRef
from storage_service.parallel import in_parallel
from storage_service.reading.committed import Committed, CommittedReader
from storage_service.sessions.driver import Driver
from storage_service.sessions.finisher import Endings
from storage_service.sessions.views import is_whole, shown
from storage_service.sessions.writer import SessionWriter
from strongroom.errors import (
    InvalidField,
    ObjectLost,
    SizeMismatch,
    UploadExpired,
    UploadIncomplete,
    UploadLost,
    UploadNotFound,
)
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.upload_session_service_pb2 import (
    SESSION_KIND_CONCATENATED,
    SESSION_KIND_PARTIAL,
    OpenSessionRequest,
    Session,
)
from strongroom.storage.v1.upload_pb2 import ConcatenateUploadsRequest, ConcatenateUploadsResponse

AFTER_COPY = failpoints.register("storage.session.piece_copied")

PARALLEL = 4


class Concatenator:
    """Carries out concatenations. One instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        objects: CommittedReader,
        state: SessionState,
        endings: Endings,
        driver: Driver,
        *,
        make_writer: Callable[[Session], SessionWriter],
        limits: Limits,
    ) -> None:
        self._store = store
        self._objects = objects
        self._state = state
        self._endings = endings
        self._driver = driver
        self._make_writer = make_writer
        self._limits = limits

    async def concatenate(self, request: ConcatenateUploadsRequest) -> ConcatenateUploadsResponse:
        """Return the file. A repeat with the same request_id continues where the first try stopped, or
        returns its file.

        Raises UploadNotFound, UploadExpired, UploadIncomplete, InvalidField, SizeMismatch, SizeLimitExceeded,
        and what Endings.finish raises.
        """
        pieces = await self._pieces(request.upload_ids)
        size = sum(piece.persisted_size for piece in pieces)
        session = await self._driver.open(self._opening(request, size))
        if not session.finished:
            async with self._driver.registry.turn(session.upload_id):
                self._driver.refuse_while_finishing(session.upload_id)
                session = await self._state.acquire(session.upload_id)
                if is_whole(session):
                    session = await self._driver.finish(session)
                elif not session.finished:
                    filled = [piece for piece in pieces if piece.persisted_size]
                    session = await self._driver.run(session, self._join(session, filled))
        return ConcatenateUploadsResponse(file=session.file, session=shown(session))

    async def _pieces(self, upload_ids: Sequence[str]) -> list[Session]:
        pieces = await in_parallel(upload_ids, self._state.get, at_once=PARALLEL)
        for at, piece in enumerate(pieces):
            if piece.kind != SESSION_KIND_PARTIAL:
                raise InvalidField(
                    "Only partial uploads can be concatenated; create the pieces with partial = true.",
                    field=f"upload_ids[{at}]",
                    rule="partial",
                )
            if not piece.finished:
                raise UploadIncomplete(f"Piece {at + 1} is not finished; send the rest of it first.")
        return pieces

    def _opening(self, request: ConcatenateUploadsRequest, size: int) -> OpenSessionRequest:
        spec, rule = request.spec, self._limits.for_target(request.spec.target)
        rule.check(size)
        if spec.HasField("size_bytes") and spec.size_bytes != size:
            raise SizeMismatch(
                f"the pieces hold {size} bytes, {spec.size_bytes} were declared",
                metadata={"expected": str(spec.size_bytes), "actual": str(size)},
            )
        opening = OpenSessionRequest(
            spec=spec,
            kind=SESSION_KIND_CONCATENATED,
            blob_kind=blob_pb2.BLOB_KIND_SINGLE,
            part_size_bytes=self._limits.part_size(size),
            annotation=request.annotation,
        )
        opening.spec.size_bytes = size
        if spec.request_id:
            opening.fingerprint = fingerprint(spec, "concatenation", *request.upload_ids)
        return opening

    async def _join(self, session: Session, pieces: Sequence[Session]) -> File | None:
        writer = self._make_writer(session)
        try:
            if _copyable(pieces) and _are_copies(writer.progress.parts, pieces):
                try:
                    await self._copy(writer, pieces)
                except NotSupportedByStore:
                    if writer.progress.parts:
                        raise
            if writer.progress.persisted < session.size_bytes:
                await self._stream(writer, pieces)
                return await self._endings.finish(writer)
        finally:
            await writer.close()
        return await self._finish_copied(session)

    async def _finish_copied(self, session: Session) -> File | None:
        writer = self._make_writer(session)  # this writer begins after the copied parts
        try:
            return await self._endings.finish(writer)
        finally:
            await writer.close()

    async def _copy(self, writer: SessionWriter, pieces: Sequence[Session]) -> None:
        """Copy each piece as one part, except those that an earlier try has recorded. Raises StoreError."""
        if not writer.blob.upload_id:
            async with self._store.open(_ref(pieces[0]), length=MOST_HEADER_BYTES) as body:
                await writer.begin([chunk async for chunk in body])

        async def copy(numbered: tuple[int, Session]) -> None:
            number, piece = numbered
            blob = writer.blob
            receipt = await self._store.copy_part(
                _ref(piece), blob.key, blob.upload_id, number, if_match=piece.blob.etag
            )
            await failpoints.hit(AFTER_COPY)
            size, crc32c = piece.persisted_size, piece.prefix_crc32c
            part = blob_pb2.Part(number=number, etag=receipt.etag, size_bytes=size, crc32c=crc32c)
            writer.progress.accept(part, size, crc32c)
            await writer.progress.record()

        done = len(writer.progress.parts)
        await in_parallel(enumerate(pieces[done:], done + 1), copy, at_once=PARALLEL)

    async def _stream(self, writer: SessionWriter, pieces: Sequence[Session]) -> None:
        """Write the pieces' bytes from ``received`` on. Raises StoreError, StrongroomError."""
        begin = 0
        for piece in pieces:
            end = begin + piece.persisted_size
            if writer.received < end:
                await self._stream_piece(writer, piece, writer.received - begin)
            begin = end

    async def _stream_piece(self, writer: SessionWriter, piece: Session, offset: int) -> None:
        blob = piece.blob
        facts = blob.etag, piece.persisted_size, piece.prefix_crc32c
        committed = Committed(_ref(piece), *facts, removable=True)
        try:
            async with self._objects.open(committed, offset=offset) as body:
                async for chunk in body:
                    await writer.write(chunk)
        except ObjectLost as error:
            if isinstance(error.__cause__, ObjectNotFound) and await self._is_kept(piece):
                self._objects.report_lost(committed)
            raise UploadLost("a piece is no longer what was uploaded; start the upload again") from error

    async def _is_kept(self, piece: Session) -> bool:
        """Whether a piece should still be there: its owner may have deleted it since it was looked up."""
        try:
            return (await self._state.get(piece.upload_id)).finished
        except (UploadNotFound, UploadExpired, UploadLost):
            return False


def _copyable(pieces: Sequence[Session]) -> bool:
    sizes = [piece.persisted_size for piece in pieces]
    return bool(sizes) and all(size >= MIN_PART_SIZE for size in sizes[:-1]) and max(sizes) <= MAX_PART_SIZE


def _are_copies(parts: Sequence[blob_pb2.Part], pieces: Sequence[Session]) -> bool:
    """Whether the recorded parts are copies of the first pieces, and not parts that an earlier try
    streamed.
    """
    return all(
        (part.size_bytes, part.crc32c) == (piece.persisted_size, piece.prefix_crc32c)
        for part, piece in zip(parts, pieces, strict=False)
    )


def _ref(piece: Session) -> ObjectRef:
    return ObjectRef(piece.blob.key, piece.blob.version_id or None)
