"""The operations of metadata_service that are measured: requests of one owner who has half of all rows, and
one round of each background task over all owners.

Each operation changes only what it must, and nothing that the next one needs.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from benchmarks.scale.fill import WHALE, file_id, key
from metadata_service import backlog
from metadata_service.attempts.cleaning import CleaningWork
from metadata_service.attempts.commit import Committer
from metadata_service.attempts.reservation import Reserver
from metadata_service.config import Limits, Timing
from metadata_service.db.database import SYSTEM, Database, Transaction
from metadata_service.db.paging import PageTokens
from metadata_service.events import outbox
from metadata_service.events.reader import EventReader, Position
from metadata_service.files.deletion import Deleter, Deletion
from metadata_service.files.filters import Folding
from metadata_service.files.generations import GenerationQueries
from metadata_service.files.media import Media
from metadata_service.files.newest_first import Detail, NewestFirst, PageRequest
from metadata_service.files.queries import FileQueries, Listing
from metadata_service.scanning import Scanning
from metadata_service.sessions import housekeeping
from metadata_service.sessions.ending import keep_partial
from metadata_service.sessions.opening import SessionOpener
from metadata_service.sessions.reading import SessionReader
from metadata_service.usage.queries import UsageQueries
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.file_pb2 import GENERATION_TYPE_TEXT_TO_IMAGE, File
from strongroom.metadata.v1.reservation_service_pb2 import BlobHandle, CommitRequest, ReserveRequest
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.metadata.v1.upload_session_service_pb2 import SESSION_KIND_SEQUENTIAL, OpenSessionRequest

_PAGE: Final = 50
_SIZE: Final = 10
_CRC: Final = 0x89ABCDEF
#: Signatures with which no row was scanned.
_NEWER: Final = "ClamAV 1.4.6/99"


@dataclass(frozen=True)
class Operation:
    """An operation to measure. ``prepare`` creates what ``act`` needs, and is not measured."""

    name: str
    act: Callable[[Any], Awaitable[object]]
    prepare: Callable[[], Awaitable[object]] | None = None


class UseCases:
    """The measured use cases, on one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._timing, limits = Timing(), Limits(bytes=1 << 50, files=1 << 40)
        self.tokens = PageTokens(b"s" * 32)
        self.files = FileQueries(database, self.tokens)
        self.generations = GenerationQueries(
            database, self.files, NewestFirst(database, self.tokens, Folding(database))
        )
        self.usage = UsageQueries(database, limits)
        self.reserver = Reserver(database, self._timing, limits)
        self.committer = Committer(database, self._timing, limits, keep_partial)
        self.deleter = Deleter(database, self._timing, limits)
        self.opener = SessionOpener(database, self._timing, self.reserver)
        self.sessions = SessionReader(database, self._timing)
        self.events = EventReader(database, self._timing.events)
        self.cleaning = CleaningWork(database, self._timing, housekeeping.run)
        self.media = Media(database)
        self.scanning = Scanning(database)

    async def upload(self, owner: str, *, generation: bool = False) -> File:
        """T1 and T4 of ten bytes with a request id."""
        spec = UploadSpec(filename="notes.txt", content_type="text/plain", request_id=secrets.token_hex(8))
        if generation:
            spec.target.generation.type = GENERATION_TYPE_TEXT_TO_IMAGE
            spec.target.generation.prompt = "a red fox"
        else:
            spec.target.file.SetInParent()
        reserved = await self.reserver.reserve(
            owner, ReserveRequest(spec=spec, kind=blob_pb2.BLOB_KIND_SINGLE, fingerprint=_fingerprint(spec))
        )
        blob = reserved.blob
        handle = BlobHandle(blob_id=blob.id, epoch=blob.epoch, owner_id=blob.owner_id)
        committed = await self.committer.commit(
            CommitRequest(blob=handle, size_bytes=_SIZE, crc32c=_CRC, etag=f"etag-{blob.id}")
        )
        return committed.file

    async def open_session(self, owner: str) -> str:
        """Open a resumable upload. Returns its id."""
        spec = UploadSpec(filename="film.mp4", content_type="video/mp4")
        spec.target.file.SetInParent()
        opened = await self.opener.open(
            owner,
            OpenSessionRequest(
                spec=spec,
                kind=SESSION_KIND_SEQUENTIAL,
                blob_kind=blob_pb2.BLOB_KIND_MULTIPART,
                part_size_bytes=8 << 20,
            ),
        )
        return opened.upload_id

    async def forget_events(self) -> int:
        """Delete a thousand expired events."""

        async def work(tx: Transaction) -> int:
            return await outbox.forget(tx, self._timing.events, 1000)

        return await self._database.transact(SYSTEM, work)

    async def look_at_backlog(self) -> None:
        """Count the backlog, as is done regularly for /metrics."""
        await self._database.transact(SYSTEM, lambda tx: tx.fetch_batch(backlog.STATEMENTS))


def operations(use: UseCases, middle: int, read: Position) -> list[Operation]:
    """``middle``: a number for which WHALE has a row in each table; ``read``: the position in the middle of
    the events.
    """
    listing = Listing(WHALE)
    deep = use.tokens.seal(listing.identity(), ["uploads/whale/8", file_id(middle)])
    older = use.tokens.seal_moment(Detail("generations", WHALE).identity(), _moment(middle), file_id(middle))
    return [
        Operation("GET of a file", lambda _: use.files.by_key(WHALE, key(middle))),
        Operation("list of 50, first page", lambda _: use.files.page(listing, _PAGE, "")),
        Operation("list of 50, from the middle", lambda _: use.files.page(listing, _PAGE, deep)),
        Operation("generations, the 50 newest", lambda _: use.generations.page(WHALE, 0, PageRequest(_PAGE))),
        Operation(
            "generations, from the middle",
            lambda _: use.generations.page(WHALE, 0, PageRequest(_PAGE, token=older)),
        ),
        Operation("statistics of generations", lambda _: use.generations.stats(WHALE)),
        Operation("usage", lambda _: use.usage.usage(WHALE)),
        Operation("upload (reserve and commit)", lambda _: use.upload(WHALE)),
        Operation(
            "deletion",
            lambda file: use.deleter.delete(Deletion(WHALE, file_id=UUID(file.id))),
            lambda: use.upload(WHALE),
        ),
        Operation("resumable upload: begin", lambda _: use.open_session(WHALE)),
        Operation(
            "resumable upload: read",
            lambda name: use.sessions.get(WHALE, name),
            lambda: use.open_session(WHALE),
        ),
        Operation("events of one owner, the next 100", lambda _: use.events.after(WHALE, read)),
        Operation("events of all owners, the next 500", lambda _: use.events.all_after(read, bool)),
        Operation("events, a thousand deleted", lambda _: use.forget_events()),
        Operation("a pass of the cleaner, 50 claimed", lambda _: use.cleaning.claim(50)),
        Operation("media, 8 claimed", lambda _: use.media.claim(8)),
        Operation("contents to rescan, 8 claimed", lambda _: use.scanning.claim(_NEWER, 8)),
        Operation("metrics of the backlog", lambda _: use.look_at_backlog()),
    ]


def _moment(number: int) -> datetime:
    """The approximate creation time of row ``number``."""
    return datetime.now(UTC) - timedelta(hours=1, seconds=10 * number)


def _fingerprint(spec: UploadSpec) -> bytes:
    return hashlib.sha256(spec.SerializeToString(deterministic=True)).digest()
