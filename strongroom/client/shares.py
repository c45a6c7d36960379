"""Shares: links that people without an account open; ``AsyncClient.shares``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import uuid4

from strongroom import errors
from strongroom.client.arguments import expect, several, text
from strongroom.client.connection import Connection
from strongroom.client.files import FileName, id_or_key, moment_of, whole_seconds
from strongroom.client.retention import RetentionWish, proto_of
from strongroom.enum_words import enum_word
from strongroom.metadata.v1 import share_pb2 as pb
from strongroom.metadata.v1 import share_service_pb2 as service
from strongroom.metadata.v1.file_service_pb2 import GetFileRequest
from strongroom.metadata.v1.target_pb2 import FileFolder, FileTarget

Span: TypeAlias = timedelta | int
"""A time span, or its seconds."""


@dataclass(frozen=True, slots=True)
class SharedFile:
    """One file, by id or key, with whatever content it has."""

    file: FileName


@dataclass(frozen=True, slots=True)
class SharedEvent:
    """The caller's media of an event."""

    event_id: str


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """Files whose keys begin with this."""

    prefix: str


@dataclass(frozen=True, slots=True)
class SharedProject:
    """A version of a project; 0: the current newest."""

    slug: str
    version: int = 0


@dataclass(frozen=True, slots=True)
class DropBox:
    """A drop: guests upload files without seeing any. They go below a ``path``, into an event, or into a
    ``folder`` (``uploads``, ``documents``, ``audio`` with ``class_id``); exactly one of these.
    ``max_file_bytes`` 0: limited only by the total. ``content_types``: accepted types (``image/png``,
    ``image/*``); none: all of the family. ``retention`` and ``storage_class`` apply to what guests upload.
    """

    path: str = ""
    event_id: str = ""
    folder: str = ""
    class_id: str = ""
    max_files: int = 100
    max_bytes: int = 1 << 30
    max_file_bytes: int = 0
    content_types: Sequence[str] = ()
    retention: RetentionWish | None = None
    storage_class: str = ""


Shared: TypeAlias = SharedFile | SharedEvent | SharedPrefix | SharedProject | DropBox


@dataclass(frozen=True, slots=True)
class Share:
    """A share. ``state``: ``active``, ``revoked``, ``expired``, ``used_up``. ``max_uses`` 0: no limit.

    ``url``: only in the result of ``create``; it can't be shown again.
    """

    id: str
    shared: Shared
    title: str
    has_password: bool
    expires_at: datetime | None
    max_uses: int
    uses: int
    state: str
    created_at: datetime | None
    updated_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    dropped_files: int
    dropped_bytes: int
    url: str = ""


class Shares:
    """Creates, lists, edits and revokes shares, for the caller or the user it acts for."""

    def __init__(self, connection: Connection, user_id: str = "") -> None:
        self._connection = connection
        self._user_id = user_id

    async def create(
        self,
        shared: Shared,
        *,
        title: str = "",
        password: str | None = None,
        expires_in: Span = 0,
        max_uses: int = 0,
        request_id: str | None = None,
    ) -> Share:
        """Create a share; its ``url`` opens it.

        :param password: what guests have to enter; None: nothing.
        :param expires_in: 0: it does not expire.
        :param request_id: idempotency key: a repeat with the same one returns the same; default: a new one.
        :raises FileNotFound, ProjectNotFound, VersionNotFound: it does not exist, or is not the caller's.
        :raises TypeError: ``shared`` is none of these. :raises ValueError: the password is empty.
        """
        if password is not None and not text("password", password):
            raise ValueError("the password is empty; leave it out if guests need none")
        request = service.CreateShareRequest(
            scope=await self._scope(shared),
            title=title,
            password=password or "",
            expires_in_seconds=whole_seconds(expires_in) or 0,
            max_uses=max_uses,
            request_id=uuid4().hex if request_id is None else request_id,
            user_id=self._user_id,
        )
        made = await self._connection.unary(self._connection.shares.CreateShare, request, safe=True)
        url = self._connection.settings.gateway_url + made.url if made.url else ""
        return to_share(made.share, url)

    async def get(self, share_id: str) -> Share:
        """:raises ShareNotFound: also when it is somebody else's."""
        request = service.GetShareRequest(share_id=_id(share_id), user_id=self._user_id)
        found = await self._connection.unary(self._connection.shares.GetShare, request)
        return to_share(found.share)

    async def list(self, *, active_only: bool = False) -> AsyncGenerator[Share]:
        """All of them, newest first, fetched page by page; ended ones are listed for 30 days."""
        request = service.ListSharesRequest(active_only=active_only, user_id=self._user_id)
        async for page in self._connection.pages(self._connection.shares.ListShares, request):
            for share in page.shares:
                yield to_share(share)

    async def update(
        self,
        share_id: str,
        *,
        title: str | None = None,
        password: str | None = None,
        expires_in: Span | None = None,
        max_uses: int | None = None,
    ) -> Share:
        """Edit a share and return it; None: unchanged.

        :param password: empty: remove it. Current guests have to open the share again.
        :param expires_in: from now; 0: it does not expire.
        :raises ShareNotFound: also when it was revoked.
        """
        request = service.UpdateShareRequest(
            share_id=_id(share_id),
            title=title,
            password=password,
            expires_in_seconds=whole_seconds(expires_in),
            max_uses=max_uses,
            user_id=self._user_id,
        )
        return to_share((await self._connection.unary(self._connection.shares.UpdateShare, request)).share)

    async def revoke(self, share_id: str) -> Share:
        """Revoke it, at once and for good, also for current guests.

        :raises ShareNotFound: also when it is somebody else's.
        """
        request = service.RevokeShareRequest(share_id=_id(share_id), user_id=self._user_id)
        found = await self._connection.unary(self._connection.shares.RevokeShare, request, safe=True)
        return to_share(found.share)

    async def _scope(self, shared: Shared) -> pb.ShareScope:
        kinds = (
            "SharedFile(file), SharedEvent(event_id), SharedPrefix(prefix), SharedProject(slug), DropBox(…)"
        )
        expect(shared, Shared, f"what is shared is one of {kinds}")
        match shared:
            case SharedFile():
                return pb.ShareScope(file_id=await self._file_id(shared.file))
            case SharedEvent():
                return pb.ShareScope(event_id=shared.event_id)
            case SharedPrefix():
                return pb.ShareScope(key_prefix=shared.prefix)
            case SharedProject():
                return pb.ShareScope(project=pb.SharedVersion(slug=shared.slug, version=shared.version))
            case DropBox():
                return pb.ShareScope(drop=_drop(shared))

    async def _file_id(self, file: FileName) -> str:
        file_id, key = id_or_key(file)
        if file_id:
            return file_id
        request = GetFileRequest(key=key, user_id=self._user_id)
        return (await self._connection.unary(self._connection.files.GetFile, request)).file.id


def to_share(share: pb.Share, url: str = "") -> Share:
    """From the protobuf."""
    return Share(
        id=share.id,
        shared=_shared(share.scope),
        title=share.title,
        has_password=share.has_password,
        expires_at=moment_of(share.expire_time),
        max_uses=share.max_uses,
        uses=share.uses,
        state=enum_word(pb.ShareState.DESCRIPTOR, share.state),
        created_at=moment_of(share.create_time),
        updated_at=moment_of(share.update_time),
        last_used_at=moment_of(share.last_use_time),
        revoked_at=moment_of(share.revoke_time),
        dropped_files=share.dropped_files,
        dropped_bytes=share.dropped_bytes,
        url=url,
    )


def _shared(scope: pb.ShareScope) -> Shared:
    match scope.WhichOneof("scope"):
        case "file_id":
            return SharedFile(scope.file_id)
        case "event_id":
            return SharedEvent(scope.event_id)
        case "key_prefix":
            return SharedPrefix(scope.key_prefix)
        case "project":
            return SharedProject(scope.project.slug, scope.project.version)
    drop = scope.drop
    folder = enum_word(FileFolder.DESCRIPTOR, drop.folder.folder)
    return DropBox(
        path=drop.path,
        event_id=drop.event_id,
        folder=folder if drop.HasField("folder") else "",
        class_id=drop.folder.class_id,
        max_files=drop.max_files,
        max_bytes=drop.max_bytes,
        max_file_bytes=drop.max_file_bytes,
        content_types=tuple(drop.content_types),
        retention=RetentionWish.from_proto(drop.retention) if drop.HasField("retention") else None,
        storage_class=drop.storage_class,
    )


def _drop(box: DropBox) -> pb.Drop:
    places = {"path": box.path, "event_id": box.event_id, "folder": box.folder}
    if len(given := [name for name, place in places.items() if place]) > 1:
        raise errors.InvalidField(
            f"A drop has one place, not {' and '.join(given)}.", field=given[1], rule="one_place"
        )
    drop = pb.Drop(
        max_files=box.max_files,
        max_bytes=box.max_bytes,
        max_file_bytes=box.max_file_bytes,
        content_types=several("content_types", box.content_types),
        retention=proto_of(box.retention),
        storage_class=box.storage_class,
    )
    if box.path:
        drop.path = box.path
    elif box.event_id:
        drop.event_id = box.event_id
    else:
        try:
            folder = FileFolder.Value(f"FILE_FOLDER_{(box.folder or 'uploads').upper()}")
        except ValueError:
            raise errors.InvalidField(
                "folder must be uploads, documents or audio.", field="folder", rule="in"
            ) from None
        drop.folder.CopyFrom(FileTarget(folder=folder, class_id=box.class_id))
    return drop


def _id(share_id: str) -> str:
    return share_id.strip().lower()
