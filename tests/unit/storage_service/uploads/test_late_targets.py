"""An upload with a guessed target: moved if the guess was wrong, and the first attempt is given up."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import google_crc32c
import pytest

from storage_service.attempts.budget import ByteBudget
from storage_service.attempts.engine import Attempts, WriteEngine
from storage_service.attempts.versioning import VersioningGate
from storage_service.content.body import Limits, SizeRule
from storage_service.content.types import ContentRules
from storage_service.metadata.reservations import Reservations
from storage_service.objectstore.values import ObjectRef
from storage_service.scanning.metrics import ScanMetrics
from storage_service.scanning.scanner import Scanner
from storage_service.uploads.stream import UploadStream
from storage_service.uploads.upload import Uploader
from strongroom.errors import IdempotencyKeyReused, QuotaExceeded, ServiceUnavailable, StrongroomError
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1 import reservation_service_pb2 as pb
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.target_pb2 import FileTarget, TempTarget, UploadSpec, UploadTarget
from strongroom.storage.v1.upload_pb2 import UploadRequest
from tests.doubles.memory_store import MemoryObjectStore

PART = 1000
BODY = bytes(range(250)) * 14
FILE, TEMP = UploadTarget(file=FileTarget()), UploadTarget(temp=TempTarget())


class Rows(Reservations):
    """The metadata_service of one owner. ``refusal``: raised by the second T1."""

    def __init__(self, refusal: StrongroomError | None = None) -> None:
        self.refusal = refusal
        self.reserved: list[pb.ReserveRequest] = []
        self.committed: list[str] = []
        self.abandoned: list[str] = []

    async def reserve(self, request: pb.ReserveRequest) -> pb.ReserveResponse:
        if self.reserved and self.refusal is not None:
            raise self.refusal
        self.reserved.append(request)
        blob = blob_pb2.Blob(id=str(uuid.uuid4()), owner_id="ada", epoch=1, part_size_bytes=PART)
        blob.key = f"{request.spec.target.WhichOneof('target')}/ada/{blob.id}.bin"
        blob.object_metadata["strongroom-attempt"] = blob.id
        return pb.ReserveResponse(blob=blob)

    async def record_multipart(self, blob: pb.BlobHandle, upload_id: str) -> None:
        assert upload_id

    async def renew_lease(self, blob: pb.BlobHandle) -> float:
        return 60.0

    async def begin_completion(self, request: pb.BeginCompletionRequest) -> None:
        assert request.size_bytes == len(BODY)

    async def commit(self, request: pb.CommitRequest) -> pb.CommitResponse:
        self.committed.append(request.blob.blob_id)
        return pb.CommitResponse(file=File(id=request.blob.blob_id, size_bytes=request.size_bytes))

    async def abandon(self, blob: pb.BlobHandle) -> None:
        self.abandoned.append(blob.blob_id)


class World:
    """One process."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.store = rows, MemoryObjectStore(min_part_size=1)
        self.engine = WriteEngine(VersioningGate(self.store), lease_seconds=60, wake_cleaner=lambda: None)
        self.budget = ByteBudget(100 * PART)
        limits = Limits(
            {"file": SizeRule("files", 1 << 30), "temp": SizeRule("temp", 1 << 30)}, min_part_bytes=PART
        )
        limits.part_size = lambda declared: PART  # type: ignore[method-assign]
        self.uploader = Uploader(
            self.store,
            rows,
            Attempts(rows, self.engine),
            budget=self.budget,
            limits=limits,
            content=ContentRules({}),
            scanner=Scanner(None, ScanMetrics()),
        )

    async def upload(self, last: UploadTarget) -> File:
        stream = UploadStream(_messages(last))
        await stream.first()
        try:
            return (await self.uploader.upload(stream)).file
        finally:
            await self.engine.aclose()


async def _messages(last: UploadTarget) -> AsyncIterator[UploadRequest]:
    """Yield an upload whose first target is a guess (FILE); the message after the bytes names ``last``."""
    yield UploadRequest(spec=UploadSpec(target=FILE), provisional_target=True)
    for at in range(0, len(BODY), 500):
        yield UploadRequest(write_offset=at, data=BODY[at : at + 500])
    yield UploadRequest(spec=UploadSpec(target=last), write_offset=len(BODY), finish_write=True)


async def test_a_right_guess_is_one_attempt() -> None:
    world = World(Rows())
    file = await world.upload(FILE)
    assert (world.rows.committed, world.rows.abandoned) == ([file.id], [])
    assert world.budget.used == 0


class Restarting(Rows):
    """For each step, the replica that gets the first request dies during it."""

    def __init__(self) -> None:
        super().__init__()
        self.died: set[str] = set()

    def _die_once(self, step: str) -> None:
        if step not in self.died:
            self.died.add(step)
            raise ServiceUnavailable("The connection broke.")

    async def record_multipart(self, blob: pb.BlobHandle, upload_id: str) -> None:
        self._die_once("T2")

    async def begin_completion(self, request: pb.BeginCompletionRequest) -> None:
        self._die_once("T3")

    async def commit(self, request: pb.CommitRequest) -> pb.CommitResponse:
        self._die_once("T4")
        return await super().commit(request)


async def test_each_step_is_repeated_when_its_replica_dies() -> None:
    """A body that took hours is not sent again because metadata_service was restarted."""
    rows = Restarting()
    file = await World(rows).upload(FILE)
    assert rows.died == {"T2", "T3", "T4"}
    assert (rows.committed, rows.abandoned) == ([file.id], [])


async def test_a_wrong_guess_is_moved_and_given_up() -> None:
    world = World(Rows())
    file = await world.upload(TEMP)
    (guessed,) = world.rows.abandoned
    assert world.rows.committed == [file.id] != [guessed]
    moved = world.rows.reserved[1]
    assert (moved.supersedes_blob_id, moved.kind) == (guessed, blob_pb2.BLOB_KIND_COPY)
    async with world.store.open(ObjectRef(f"temp/ada/{file.id}.bin")) as body:
        assert b"".join([bytes(piece) async for piece in body]) == BODY
    assert world.budget.used == 0


async def test_a_move_that_is_refused_leaves_no_attempt_behind() -> None:
    world = World(Rows(QuotaExceeded("full")))
    with pytest.raises(QuotaExceeded):
        await world.upload(TEMP)
    assert (world.rows.committed, len(world.rows.abandoned)) == ([], 1)
    assert world.budget.used == 0


class Answered(Rows):
    """Another attempt with the same request id was committed first, with ``file``. The service learns it at
    the second T1, or at T4.
    """

    def __init__(self, file: File) -> None:
        super().__init__()
        self.file = file

    async def reserve(self, request: pb.ReserveRequest) -> pb.ReserveResponse:
        response = await super().reserve(request)
        return pb.ReserveResponse(replay=self.file) if len(self.reserved) > 1 else response

    async def commit(self, request: pb.CommitRequest) -> pb.CommitResponse:
        return pb.CommitResponse(file=self.file, lost_to_other_attempt=True)


@pytest.mark.parametrize("last", [FILE, TEMP])
@pytest.mark.parametrize("earlier", [BODY, BODY[::-1], BODY[:-1], b""])
async def test_the_quicker_attempt_is_the_answer_if_it_has_the_same_bytes(
    last: UploadTarget, earlier: bytes
) -> None:
    file = File(id="theirs", size_bytes=len(earlier), crc32c=google_crc32c.value(earlier))
    world = World(Answered(file))
    if earlier == BODY:
        assert await world.upload(last) == file
    else:
        with pytest.raises(IdempotencyKeyReused):
            await world.upload(last)
    assert world.budget.used == 0
