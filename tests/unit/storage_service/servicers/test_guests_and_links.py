"""Transfers by guests and links are counted by family, and the family is not disclosed to callers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from servicekit.context import RequestContext, bind
from storage_service.attempts.failures import FailureTeller
from storage_service.media.unlocated import Unlocated
from storage_service.objectstore.checksums import crc32c_of
from storage_service.objectstore.values import ObjectAttributes, ObjectRef
from storage_service.reading.committed import CommittedReader
from storage_service.reading.links import LinkClaims, LinkReader, LinkTokens
from storage_service.reading.outgoing import Outgoing
from storage_service.servicers.guests import GuestServicer
from storage_service.servicers.links import LinkServicer
from storage_service.servicers.storage import StorageServicer
from storage_service.servicers.transfers import Transfers
from storage_service.sharing.contents import SharedContents
from storage_service.sharing.drops import Drops
from storage_service.uploads.upload import UploadedFile
from strongroom.metadata.v1.file_pb2 import FILE_FAMILY_EVENT_MEDIA, FILE_FAMILY_GENERATION, File
from strongroom.metadata.v1.share_pb2 import Drop, Share, ShareScope
from strongroom.storage.v1 import guest_pb2, link_pb2
from strongroom.storage.v1.batch_pb2 import MoveFileRequest
from tests.doubles.memory_store import MemoryObjectStore
from tests.unit.storage_service.reading.reports import Reports
from tests.unit.storage_service.servicers.counted import values

ID = "7e57d004-2b97-4e7a-b45f-5387367791cd"
BODY = b"four"
CONTEXT = cast("Any", None)
SENT, BYTES = "strongroom_downloads_total", "strongroom_download_bytes_total"


class Door:
    """Admits every guest, stores everything, and finds one file."""

    def __init__(self, file: File, scope: ShareScope) -> None:
        self.file, self.share, self.replayed = file, Share(id="i", scope=scope), False

    async def enter(self, *_: str) -> Share:
        return self.share

    async def get(self, *_: object) -> File:
        return self.file

    async def linked_file(self, *_: object) -> File:
        return self.file

    async def upload(self, _source: object) -> UploadedFile:
        return UploadedFile(self.file, replayed=self.replayed)

    async def move(self, _request: object) -> File:
        return self.file

    async def zipped(self, _files: object) -> AsyncIterator[bytes]:
        yield b"PK"
        yield b"...."


NOTHING_TO_HIDE = Unlocated(None, cast("Any", None))


async def a_file(store: MemoryObjectStore) -> File:
    attrs = ObjectAttributes(content_type="image/png")
    await store.put("k", [BODY], size=len(BODY), crc32c=crc32c_of([BODY]), attrs=attrs)
    etag = (await store.head(ObjectRef("k"))).etag
    file = File(id=ID, owner_id="ada", key="k", etag=etag, size_bytes=len(BODY), crc32c=crc32c_of([BODY]))
    file.family = FILE_FAMILY_GENERATION
    return file


def guests(door: Door, objects: CommittedReader, transfers: Transfers) -> GuestServicer:
    shared = SharedContents(*cast("Any", (None, door, None, objects, NOTHING_TO_HIDE, door)))
    drops = Drops(*cast("Any", (door, door)))
    sharing = SimpleNamespace(guests=door, contents=shared, drops=drops)
    return GuestServicer(cast("Any", sharing), Outgoing(1 << 20), transfers)


async def test_a_link_counts_the_file_that_it_reads() -> None:
    store, transfers = MemoryObjectStore(), Transfers()
    door = Door(await a_file(store), ShareScope())
    tokens = LinkTokens("a secret of links, 0123456789")
    reader = LinkReader(
        tokens,
        cast("Any", door),
        CommittedReader(store, Reports()),
        CONTEXT,
        NOTHING_TO_HIDE,
        url_seconds=900,
    )
    servicer = LinkServicer(reader, Outgoing(1 << 20), transfers)
    token = tokens.sign(LinkClaims(*cast("Any", ("ada", ID, "", 0, 0, 0, False))))
    request = RequestContext("r")
    with bind(request):
        asked = link_pb2.DownloadLinkRequest(token=token)
        first, *rest = [message async for message in servicer.DownloadLink(asked, CONTEXT)]
    assert b"".join(bytes(chunk.data) for chunk in rest) == BODY
    assert isinstance(first, link_pb2.DownloadLinkResponse)
    assert (first.file.family, first.file.id, request.file_id) == (0, "", ID)
    assert values(transfers, SENT) == {("generation", "link"): 1}
    assert values(transfers, BYTES) == {("generation", "link"): 4}


@pytest.mark.parametrize("metadata_only", [False, True])
async def test_a_share_counts_the_file_that_its_guest_reads(metadata_only: bool) -> None:
    store, transfers = MemoryObjectStore(), Transfers()
    door = Door(await a_file(store), ShareScope(file_id=ID))
    servicer = guests(door, CommittedReader(store, Reports()), transfers)
    asked = guest_pb2.DownloadSharedRequest(token="t", item=ID, metadata_only=metadata_only)
    with bind(RequestContext("r")):
        first, *rest = [message async for message in servicer.DownloadShared(asked, CONTEXT)]
    assert b"".join(message.data for message in rest) == (b"" if metadata_only else BODY)
    assert first.file.family == 0
    assert values(transfers, SENT) == {("generation", "share"): 1}
    assert values(transfers, BYTES) == {("generation", "share"): 0 if metadata_only else 4}


async def test_a_share_as_a_zip() -> None:
    transfers = Transfers()
    servicer = guests(Door(File(), ShareScope(file_id=ID)), CONTEXT, transfers)
    asked = guest_pb2.DownloadSharedArchiveRequest(token="t")
    with bind(RequestContext("r")):
        got = [message.data async for message in servicer.DownloadSharedArchive(asked, CONTEXT)]
    assert b"".join(got) == b"PK...."
    assert values(transfers, SENT) == {("project_archive", "share"): 1}
    assert values(transfers, BYTES) == {("project_archive", "share"): 6}


async def test_a_drop_is_an_upload_once() -> None:
    transfers = Transfers()
    rules = Drop(path="in", max_files=5, max_bytes=100, max_file_bytes=50)
    door = Door(File(id=ID, family=FILE_FAMILY_EVENT_MEDIA, size_bytes=9), ShareScope(drop=rules))
    servicer = guests(door, CONTEXT, transfers)

    async def sent() -> AsyncIterator[guest_pb2.DropFileRequest]:
        yield guest_pb2.DropFileRequest(token="t", filename="a.png")

    with bind(RequestContext("r")):
        answer = await servicer.DropFile(sent(), CONTEXT)
        door.replayed = True
        assert await servicer.DropFile(sent(), CONTEXT) == answer
    assert (answer.filename, answer.size_bytes) == ("a.png", 9)
    assert values(transfers, "strongroom_uploads_total") == {("event_media", "drop"): 1}
    assert values(transfers, "strongroom_upload_bytes_total") == {("event_media", "drop"): 9}


async def test_a_move_is_stored_as_a_copy_is() -> None:
    transfers = Transfers()
    door = Door(File(id=ID, family=FILE_FAMILY_GENERATION, size_bytes=7), ShareScope())
    untold = FailureTeller(cast("Any", door))
    use_cases = SimpleNamespace(mover=door, sessions=None, reservations=None, failures=untold)
    servicer = StorageServicer(cast("Any", use_cases), transfers)
    await servicer.MoveFile(MoveFileRequest(), CONTEXT)
    assert values(transfers, "strongroom_uploads_total") == {("generation", "copy"): 1}
    assert values(transfers, "strongroom_upload_bytes_total") == {("generation", "copy"): 7}
