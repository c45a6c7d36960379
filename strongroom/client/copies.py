"""Copies, moves and batch deletions; part of ``AsyncClient``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

from strongroom import errors
from strongroom.client.file_calls import FileCalls
from strongroom.client.files import FileName, StoredFile, Visibility, id_or_key, visibility_number
from strongroom.client.retention import RetentionWish
from strongroom.client.targets import Target
from strongroom.field_names import PYTHON_NAMES, with_callers_names
from strongroom.metadata.v1 import target_pb2
from strongroom.storage.v1 import batch_pb2

#: Files that one call deletes at most.
MOST_DELETIONS = 1000


class CopyCalls(FileCalls):
    """Copies, moves and deletions. Copies are made inside S3: no bytes pass through the caller."""

    async def copy(
        self,
        file: FileName,
        target: Target | None = None,
        *,
        filename: str = "",
        content_type: str = "",
        metadata: Mapping[str, str] | None = None,
        visibility: Visibility | None = None,
        retention: RetentionWish | None = None,
        storage_class: str = "",
        if_generation_match: int | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> StoredFile:
        """Copy ``file`` inside S3. Empty ``filename`` and ``content_type``: those of the source.

        A repeat under the same ``request_id`` returns the same copy, even if ``file`` is gone by then.

        :param storage_class: an S3 storage class, one of those that the installation allows.
        :param if_generation_match: at a path: replace only this generation; 0: only if it is free.
        """
        spec = self._spec(target, filename, content_type, metadata)
        if retention is not None:
            spec.retention.CopyFrom(retention.to_proto())
        spec.storage_class = storage_class
        _complete(spec, visibility, if_generation_match, request_id)
        request = batch_pb2.CopyFileRequest(spec=spec, asked=_digest("copy", file, spec))
        try:
            request.source_file_id = await self._id_of(file)
        except errors.FileNotFound:
            if request_id is None:
                raise
        method = self._connection.transfers.CopyFile
        response = await self._connection.unary(method, request, timeout=timeout, safe=True)
        return StoredFile.from_proto(response.file)

    async def move(
        self,
        file: FileName,
        target: Target,
        *,
        filename: str = "",
        if_generation_match: int | None = None,
        replace: bool = False,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> StoredFile:
        """Move ``file`` with its user metadata and visibility: copy it and, in the same step, delete it.

        The file gets a new id. A repeat under the same ``request_id`` returns the same file; what was stored
        in the old place since then stays.

        :param if_generation_match: only if the source is at this generation.
        :param replace: at a path: replace an existing file.
        :raises PreconditionFailed: the target exists, or the source is at another generation or changed while
            it was copied. Nothing was done.
        """
        spec = self._spec(target, filename, "", None)
        has_place = spec.target.WhichOneof("target") in {"path", "profile_picture"}
        _complete(spec, None, 0 if has_place and not replace else None, request_id)
        request = batch_pb2.MoveFileRequest(
            spec=spec,
            if_generation_match=if_generation_match,
            asked=_digest("move", file, spec, str(if_generation_match)),
        )
        try:
            source = file if isinstance(file, StoredFile) else await self.get(file)
        except errors.FileNotFound:  # deleted by this very request, if it is a repeat
            if request_id is None:
                raise
        else:
            request.source_file_id = source.id
            request.spec.metadata.update(source.user_metadata)
            request.spec.visibility = source.visibility.to_proto()
        method = self._connection.transfers.MoveFile
        response = await self._connection.unary(method, request, timeout=timeout, safe=True)
        return StoredFile.from_proto(response.file)

    async def delete_many(
        self, files: Sequence[FileName], *, soft: bool = False, timeout: float | None = None
    ) -> list[errors.StrongroomError | None]:
        """Delete files, 1,000 per call; they fail independently. Returns an error for each, or None if it was
        deleted.

        :raises TypeError: a single file. :raises ValueError: for empty text.
        """
        if isinstance(files, str | StoredFile | UUID):
            raise TypeError("delete_many takes several files: [file]; delete takes one")
        found: list[errors.StrongroomError | None] = []
        for start in range(0, len(files), MOST_DELETIONS):
            found += await self._delete_some(files[start : start + MOST_DELETIONS], soft, timeout)
        return found

    async def _delete_some(
        self, files: Sequence[FileName], soft: bool, timeout: float | None
    ) -> list[errors.StrongroomError | None]:
        names = [id_or_key(file) for file in files]
        order = [number for number, (file_id, _) in enumerate(names) if file_id]
        order += [number for number, (file_id, _) in enumerate(names) if not file_id]
        request = batch_pb2.BatchDeleteRequest(
            file_ids=[file_id for file_id, _ in names if file_id],
            keys=[key for file_id, key in names if not file_id],
            soft=soft,
            user_id=self._user_id,
        )
        method = self._connection.transfers.BatchDelete
        response = await self._connection.unary(method, request, timeout=timeout)
        found: list[errors.StrongroomError | None] = [None] * len(names)
        for number, status in zip(order, response.results, strict=True):
            if status.code:
                found[number] = with_callers_names(errors.from_status_proto(status), PYTHON_NAMES)
        return found


def _complete(
    spec: target_pb2.UploadSpec,
    visibility: Visibility | None,
    if_generation_match: int | None,
    request_id: str | None,
) -> None:
    spec.request_id = request_id or str(uuid4())
    if visibility is not None:
        spec.visibility = visibility_number(visibility)
    if if_generation_match is not None:
        spec.if_generation_match = if_generation_match


def _digest(act: str, file: FileName, spec: target_pb2.UploadSpec, *more: str) -> bytes:
    """Return a digest of the call's arguments, without values filled in from ``file``.

    A repeat has the same digest even if ``file`` no longer exists.
    """
    said = target_pb2.UploadSpec()
    said.CopyFrom(spec)
    said.ClearField("request_id")
    digest = hashlib.sha256("\0".join([act, *id_or_key(file), *more, ""]).encode())
    digest.update(said.SerializeToString(deterministic=True))
    return digest.digest()
