"""Concatenations that take more than one try."""

from __future__ import annotations

import asyncio

import pytest

from storage_service.objectstore.errors import NotSupportedByStore, StoreUnavailable
from storage_service.objectstore.values import ObjectRef, PartReceipt
from storage_service.sessions import concatenation
from strongroom.errors import ObjectStoreUnavailable, UploadLost
from strongroom.metadata.v1.blob_pb2 import Part
from strongroom.metadata.v1.target_pb2 import FileTarget, UploadSpec, UploadTarget
from strongroom.metadata.v1.upload_session_service_pb2 import OpenSessionRequest, Session
from strongroom.storage.v1.upload_pb2 import ConcatenateUploadsRequest
from tests.unit.storage_service.sessions.bench import Bench

PIECES = [letter * 15 for letter in (b"a", b"b", b"c", b"d")]


@pytest.mark.parametrize("copies_later", [False, True])
async def test_what_was_streamed_is_gone_on_with_by_streaming(
    monkeypatch: pytest.MonkeyPatch, copies_later: bool
) -> None:
    monkeypatch.setattr(concatenation, "MIN_PART_SIZE", 1)
    bench = Bench(part_size=10)
    pieces = [await bench.create(len(piece), partial=True) for piece in PIECES]
    for upload_id, piece in zip(pieces, PIECES, strict=True):
        await bench.write(upload_id, 0, piece)
    _same_session(bench, monkeypatch)
    spec = UploadSpec(target=UploadTarget(file=FileTarget()), request_id="once")
    request = ConcatenateUploadsRequest(spec=spec, upload_ids=pieces)

    async def no_copies(*_: object, **__: object) -> PartReceipt:
        raise NotSupportedByStore(operation="UploadPartCopy")

    send = bench.store.upload_part

    async def two_parts(key: str, upload_id: str, number: int, chunks: object, **more: object) -> PartReceipt:
        if number > 2:
            while len(_parts(bench)) < 2:  # noqa: ASYNC110 - recorded by another task
                await asyncio.sleep(0.01)
            raise StoreUnavailable(operation="UploadPart")
        return await send(key, upload_id, number, chunks, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as first_try:
        first_try.setattr(bench.store, "copy_part", no_copies)
        first_try.setattr(bench.store, "upload_part", two_parts)
        with pytest.raises(ObjectStoreUnavailable):
            await bench.use_cases.concatenator.concatenate(request)
    assert [part.size_bytes for part in _parts(bench)] == [10, 10]
    bench.restart()
    if not copies_later:
        monkeypatch.setattr(bench.store, "copy_part", no_copies)
    made = await bench.use_cases.concatenator.concatenate(request)
    assert await bench.object_of(made.file) == b"".join(PIECES)


@pytest.mark.parametrize("kept", [False, True])
async def test_a_piece_that_its_owner_deletes_meanwhile_is_no_damage(
    monkeypatch: pytest.MonkeyPatch, *, kept: bool
) -> None:
    """Otherwise anybody could have an operator told of a loss."""
    bench = Bench(part_size=10)
    pieces = [await bench.create(len(piece), partial=True) for piece in PIECES]
    for upload_id, piece in zip(pieces, PIECES, strict=True):
        await bench.write(upload_id, 0, piece)
    gone = (await bench.state.get(pieces[1])).blob
    begin = bench.state.open

    async def open_and_lose(request: OpenSessionRequest) -> Session:
        await bench.store.delete(ObjectRef(gone.key, gone.version_id or None))
        if not kept:
            await bench.state.cancel(pieces[1])
        return await begin(request)

    monkeypatch.setattr(bench.state, "open", open_and_lose)
    request = ConcatenateUploadsRequest(
        spec=UploadSpec(target=UploadTarget(file=FileTarget())), upload_ids=pieces
    )
    with pytest.raises(UploadLost):
        await bench.use_cases.concatenator.concatenate(request)
    assert bench.reports.damaged == ([("lost", gone.key)] if kept else [])


def _parts(bench: Bench) -> list[Part]:
    return list(list(bench.state.sessions.values())[-1].blob.parts)


def _same_session(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a repeat find the session that the first try has opened."""
    opened: list[str] = []
    begin = bench.state.open

    async def open_once(request: OpenSessionRequest) -> Session:
        if opened:
            return await bench.state.get(opened[0])
        session = await begin(request)
        opened.append(session.upload_id)
        return session

    monkeypatch.setattr(bench.state, "open", open_once)
