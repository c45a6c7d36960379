"""Tries the operations that the service needs of the bucket: writes, reads and deletes once.

It uses the service's credentials and settings. ``strongroom bucket init`` runs it. Its objects are below
``strongroom-doctor/``, where a verification does not look. They are removed at the end, together with objects
of earlier probes that were killed.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import google_crc32c

from storage_service.objectstore.errors import (
    ChecksumMismatch,
    InvalidRequest,
    NotSupportedByStore,
    ObjectNotFound,
    PreconditionFailed,
    StoreError,
    UploadNotFound,
)
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ObjectAttributes, ObjectRef

PREFIX: Final = "strongroom-doctor/"
DEAD_SECONDS: Final = 3600.0
"""Objects of other probes older than this were left behind by dead ones."""
_BODY: Final = b"strongroom bucket init wrote this, and removes it again.\n"
_ATTRS: Final = ObjectAttributes(content_type="text/plain", metadata={"strongroom-probe": "yes"})


@dataclass(frozen=True)
class Finding:
    """The result of one step. ``fails``: the service can't work without it; otherwise it is only reported."""

    what: str
    lack: str = ""
    fails: bool = False

    def __str__(self) -> str:
        mark = "ok    " if not self.lack else "FAIL  " if self.fails else "-     "
        return f"{mark}{self.what}{': ' if self.lack else ''}{self.lack}"


class BucketProbe:
    """One probe. ``conditional``: whether uploads use If-None-Match here."""

    def __init__(self, store: ObjectStore, *, conditional: bool = True) -> None:
        self._store = store
        self._conditional = conditional
        self._folder = f"{PREFIX}{int(time.time())}-{uuid.uuid4().hex[:8]}/"
        self._made: list[ObjectRef] = []

    async def findings(self) -> AsyncIterator[Finding]:
        """Results, as they are found. If a write is refused, nothing else is tried. Raises no store error."""
        try:
            written = await self._try("a file can be written", self._write, fails=True)
            yield written
            if not written.lack:
                for what, step, fails in self._steps():
                    yield await self._try(what, step, fails=fails)
        finally:
            left = await self._remove_rest()
        yield left

    def _steps(self) -> list[tuple[str, Callable[[], Awaitable[str]], bool]]:
        return [
            ("it is read back, whole and in part", self._read, True),
            ("checksums are verified by the store", self._checksums, False),
            ("a name that is taken is not written over (If-None-Match)", self._condition, False),
            ("large files arrive in parts", self._multipart, True),
            ("files are copied inside of the store", self._copy, True),
            ("versions are kept, and each can be removed by itself", self._versions, False),
        ]

    async def _try(self, what: str, step: Callable[[], Awaitable[str]], *, fails: bool) -> Finding:
        try:
            lack = await step()
        except (NotSupportedByStore, InvalidRequest) as error:
            return Finding(
                what, f"this store does not know it ({error.store_code or error.http_status})", fails
            )
        except StoreError as error:
            return Finding(what, f"{error}", fails=True)
        return Finding(what, lack, fails)

    async def _put(
        self, name: str, body: bytes = _BODY, *, crc32c: int | None = None, once: bool = False
    ) -> ObjectRef:
        key = self._folder + name
        crc = google_crc32c.value(body) if crc32c is None else crc32c
        self._made.append(ObjectRef(key))
        put = await self._store.put(key, [body], size=len(body), crc32c=crc, attrs=_ATTRS, if_none_match=once)
        made = ObjectRef(key, put.version_id)
        self._made.append(made)
        return made

    async def _write(self) -> str:
        await self._put("a.txt")
        return ""

    async def _read(self) -> str:
        ref = ObjectRef(self._folder + "a.txt")
        if await self._body(ref) != _BODY:
            return "other bytes came back than were sent; look at what stands between here and the store"
        if await self._body(ref, offset=5, length=7) != _BODY[5:12]:
            return "a range came back as other bytes; downloads can't be resumed"
        info = await self._store.head(ref)
        if info.metadata.get("strongroom-probe") != "yes":
            return "the metadata of a file got lost; `strongroom verify` can't tell whose an object is"
        return ""

    async def _body(self, ref: ObjectRef, *, offset: int = 0, length: int | None = None) -> bytes:
        async with self._store.open(ref, offset=offset, length=length) as stream:
            return b"".join([bytes(chunk) async for chunk in stream])

    async def _checksums(self) -> str:
        try:
            await self._put("wrong.txt", crc32c=google_crc32c.value(_BODY) ^ 1)
        except ChecksumMismatch:
            return ""
        return (
            "it has taken a file with a wrong checksum; the service compares what it reads, but hears of"
            " damage on the way to the store only then"
        )

    async def _condition(self) -> str:
        if not self._conditional:
            return "not tried; STRONGROOM_S3_CONDITIONAL_WRITES is off"
        try:
            await self._put("a.txt", once=True)
        except PreconditionFailed:
            return ""
        return (
            "the store has written over it; set STRONGROOM_S3_CONDITIONAL_WRITES=false, nothing relies on it"
        )

    async def _multipart(self) -> str:
        key = self._folder + "parts.bin"
        upload = await self._store.create(key, _ATTRS)
        try:
            crc = google_crc32c.value(_BODY)
            part = await self._store.upload_part(key, upload, 1, [_BODY], size=len(_BODY), crc32c=crc)
            done = await self._store.complete(key, upload, [part], crc32c=crc)
        except BaseException:
            with suppress(UploadNotFound):
                await self._store.abort(key, upload)
            raise
        ref = ObjectRef(key, done.version_id)
        self._made += [ObjectRef(key), ref]
        if await self._body(ref) != _BODY:
            return "other bytes came back than were sent"
        return ""

    async def _copy(self) -> str:
        source, key = ObjectRef(self._folder + "a.txt"), self._folder + "copy.txt"
        self._made.append(ObjectRef(key))
        made = await self._store.copy(source, key, _ATTRS, size=len(_BODY))
        self._made.append(ObjectRef(key, made.version_id))
        if await self._body(ObjectRef(key, made.version_id)) != _BODY:
            return "the copy holds other bytes"
        return ""

    async def _versions(self) -> str:
        old = await self._put("versions.txt", b"old")
        new = await self._put("versions.txt", b"new!")
        if old.version_id is None or new.version_id is None or old.version_id == new.version_id:
            return (
                "it keeps one version of each name; projects and files at a path are refused"
                " (BUCKET_NOT_VERSIONED)"
            )
        if await self._body(old) != b"old":
            return "the old version holds the new bytes"
        await self._store.delete(new)
        if await self._body(ObjectRef(old.key)) != b"old":
            return "removing the newest version did not bring the one before it back"
        return ""

    async def _remove_rest(self) -> Finding:
        """Remove all versions of what was written, like the cleaner."""
        what = "what was tried is removed again"
        try:
            await self._remove()
        except StoreError as error:
            return Finding(what, f"{error} Remove {self._folder} by hand.", fails=True)
        return Finding(what)

    async def _remove(self) -> None:
        for ref in {ref for ref in self._made if ref.version_id is not None}:
            with suppress(ObjectNotFound):
                await self._store.delete(ref)
        for version in [one async for page in self._store.list_versions(PREFIX) for one in page]:
            if self._is_over(version.key, version.last_modified):
                await self._store.delete(version.ref)
        with suppress(NotSupportedByStore):
            for upload in await self._store.list_uploads(PREFIX):
                if self._is_over(upload.key, upload.initiated):
                    with suppress(UploadNotFound):
                        await self._store.abort(upload.key, upload.upload_id)

    def _is_over(self, key: str, made: datetime) -> bool:
        """Whether the object is ours, or was left by a dead probe."""
        return key.startswith(self._folder) or made <= datetime.now(UTC) - timedelta(seconds=DEAD_SECONDS)
