"""Creates shares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID, uuid4

from metadata_service.db.database import Database, Transaction, user
from metadata_service.files.queries import FileQueries
from metadata_service.files.retention import settle_wish
from metadata_service.files.specs import check_class
from metadata_service.shares.passwords import Passwords
from metadata_service.shares.rows import COLUMNS, to_share
from metadata_service.shares.tokens import SealedTokens, hash_of, new_token
from servicekit.texts import refuse_nul
from strongroom.errors import IdempotencyKeyReused, InvalidField, VersionNotFound
from strongroom.metadata.v1 import share_pb2
from strongroom.metadata.v1.share_service_pb2 import (
    CreateShareRequest,
    CreateShareResponse,
    UpdateShareRequest,
)
from strongroom.metadata.v1.target_pb2 import FILE_FOLDER_UPLOADS
from strongroom.path_rules import as_stored, normal_path

PATH: Final = "/s/"
MAX_FILES: Final = 100
MAX_BYTES: Final = 1 << 30

#: (owner, slug, version or 0) → project id and version. Raises ProjectNotFound, VersionNotFound.
FindVersion: TypeAlias = Callable[[str, str, int], Awaitable[tuple[str, int]]]

_INSERT: Final = f"""
INSERT INTO shares (owner_id, id, token_hash, scope, title, password_hash, expires_at, max_uses, request_id,
    fingerprint, sealed_token)
SELECT %(owner)s, %(id)s, %(token_hash)s, %(scope)s, %(title)s, %(password_hash)s, %(expires_at)s,
    %(max_uses)s, %(request_id)s, %(fingerprint)s, %(sealed)s
WHERE %(expires_at)s::timestamptz IS NULL OR %(expires_at)s > now()
ON CONFLICT (owner_id, request_id) DO NOTHING RETURNING {COLUMNS}
"""
#: Pruning (`projects.pruning`) locks the project's row for longer: either it has seen the share, or the share
#: sees that the version is gone. A separate statement checks that: one that waited for a row's lock still
#: sees other tables as they were when it began.
_LOCK_PROJECT: Final = "SELECT 1 FROM projects WHERE owner_id = %(owner)s AND id = %(project)s FOR KEY SHARE"
_VERSION: Final = """
SELECT 1 FROM project_versions
WHERE owner_id = %(owner)s AND project_id = %(project)s AND version = %(version)s
"""
_FREE_ID: Final = """
UPDATE shares SET request_id = NULL, fingerprint = NULL, sealed_token = NULL
WHERE owner_id = %(owner)s AND request_id = %(request_id)s
    AND created_at <= now() - make_interval(secs => %(keep)s)
"""
_MADE: Final = f"""
SELECT {COLUMNS}, shares.fingerprint, shares.sealed_token FROM shares
WHERE owner_id = %(owner)s AND request_id = %(request_id)s
"""


@dataclass(frozen=True, slots=True)
class ShareMaker:
    """Creates shares.

    :param find_version: finds a version of a project.
    :param keep: how long an idempotency key is remembered, seconds.
    :param classes: storage classes that uploads may name.
    """

    database: Database
    files: FileQueries
    find_version: FindVersion
    passwords: Passwords
    sealed: SealedTokens
    keep: float
    classes: frozenset[str] = frozenset()

    async def create(self, owner_id: str, request: CreateShareRequest) -> CreateShareResponse:
        """The share with its token, or the answer of an earlier request with this id.

        Raises FileNotFound, ProjectNotFound, VersionNotFound, InvalidField, PathInvalid, RateLimited,
        Overloaded, IdempotencyKeyReused.
        """
        refuse_nul(request, "share")
        if request.request_id:
            repeated = await self._repeated(owner_id, request)
            if repeated is not None:
                return repeated
        token = new_token()
        password = request.password
        scope = await self._settled(owner_id, request.scope)
        values: dict[str, object] = {
            "owner": owner_id,
            "id": uuid4(),
            "token_hash": hash_of(token),
            "scope": scope.SerializeToString(),
            "title": request.title.strip(),
            "password_hash": await self.passwords.hashed(owner_id, password) if password else None,
            "expires_at": expiry_of(request),
            "max_uses": request.max_uses,
            "request_id": request.request_id or None,
            "fingerprint": self.sealed.fingerprint(_without_id(request)) if request.request_id else None,
            "sealed": self.sealed.seal(token, owner_id, request.request_id) if request.request_id else None,
            "keep": self.keep,
        }
        share = await self._insert(owner_id, scope, values)
        if share is not None:
            return _answer(share, token)
        if request.request_id:
            repeated = await self._repeated(owner_id, request)
            if repeated is not None:
                return repeated
        raise in_the_past()

    async def _insert(
        self, owner_id: str, scope: share_pb2.ShareScope, values: dict[str, object]
    ) -> share_pb2.Share | None:
        """Insert the share. Returns None if the request id is taken, or the requested end has passed."""

        async def work(tx: Transaction) -> share_pb2.Share | None:
            if values["request_id"] is not None:
                await tx.execute(_FREE_ID, values)
            await lock_version(tx, owner_id, scope)
            row = await tx.fetch_one(_INSERT, values)
            return to_share(row) if row is not None else None

        return await self.database.transact(user(owner_id), work)

    async def _repeated(self, owner_id: str, request: CreateShareRequest) -> CreateShareResponse | None:
        values = {"owner": owner_id, "request_id": request.request_id}
        rows = await self.database.read(user(owner_id), _MADE, values)
        if not rows:
            return None
        *row, known, sealed = rows[0]
        share = to_share(tuple(row))
        age = datetime.now(UTC) - share.create_time.ToDatetime(UTC)
        if age.total_seconds() > self.keep:
            return None
        if not self.sealed.is_fingerprint(bytes(known), _without_id(request)):
            raise IdempotencyKeyReused(
                "This idempotency key was used for another share in the last 24 hours; use a new one."
            )
        token = self.sealed.open(bytes(sealed), owner_id, request.request_id)
        return _answer(share, token or "")

    async def _settled(self, owner_id: str, scope: share_pb2.ShareScope) -> share_pb2.ShareScope:
        """Check that the owner has what the scope names, and fill in every default."""
        settled = share_pb2.ShareScope()
        settled.CopyFrom(scope)
        match scope.WhichOneof("scope"):
            case "file_id":
                settled.file_id = (await self.files.by_id(owner_id, UUID(scope.file_id))).id
            case "event_id":
                settled.event_id = str(UUID(scope.event_id))
            case "key_prefix":
                settled.key_prefix = as_stored(scope.key_prefix)
            case "project":
                found = await self.find_version(owner_id, scope.project.slug, scope.project.version)
                settled.project.project_id, settled.project.version = found
            case "drop":
                check_class(settled.drop.storage_class, self.classes)
                _settle_drop(settled.drop, owner_id)
        return settled


async def lock_version(tx: Transaction, owner_id: str, scope: share_pb2.ShareScope) -> None:
    """Check that the scope's version exists, and lock it until the end of the transaction. Raises
    VersionNotFound.
    """
    if not scope.HasField("project"):
        return
    version = scope.project.version
    params = {"owner": owner_id, "project": UUID(scope.project.project_id), "version": version}
    await tx.execute(_LOCK_PROJECT, params)
    if await tx.fetch_one(_VERSION, params) is None:
        raise VersionNotFound("That version has gone; ListProjectVersions shows those there are.")


def expiry_of(request: CreateShareRequest | UpdateShareRequest) -> datetime | None:
    """The requested end; None: no end. Raises InvalidField: the time is out of range, or there are two
    ends.
    """
    if not request.HasField("expire_time"):
        seconds = request.expires_in_seconds
        return datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None
    if request.expires_in_seconds:
        raise InvalidField(
            "Send expire_time or expires_in_seconds, one of them.", field="expire_time", rule="exclusive"
        )
    try:
        return request.expire_time.ToDatetime(UTC)
    except ValueError:
        raise InvalidField(
            "expire_time lies outside of the calendar.", field="expire_time", rule="timestamp"
        ) from None


def in_the_past() -> InvalidField:
    """The error for a requested end that has passed."""
    return InvalidField("expire_time has to lie in the future.", field="expire_time", rule="future")


def _settle_drop(drop: share_pb2.Drop, owner_id: str) -> None:
    if drop.HasField("retention"):
        settle_wish(drop.retention, owner_id)
    match drop.WhichOneof("target"):
        case "path":
            drop.path = normal_path(drop.path)
        case "event_id":
            drop.event_id = str(UUID(drop.event_id))
        case "folder":
            drop.folder.folder = drop.folder.folder or FILE_FOLDER_UPLOADS
    drop.max_files = drop.max_files or MAX_FILES
    drop.max_bytes = drop.max_bytes or MAX_BYTES
    drop.max_file_bytes = min(drop.max_file_bytes or drop.max_bytes, drop.max_bytes)


def _without_id(request: CreateShareRequest) -> bytes:
    same = CreateShareRequest()
    same.CopyFrom(request)
    same.ClearField("request_id")
    return same.SerializeToString(deterministic=True)


def _answer(share: share_pb2.Share, token: str) -> CreateShareResponse:
    return CreateShareResponse(share=share, token=token, url=PATH + token if token else "")
