"""DeleteObject and DeleteObjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from storage_service.objectstore.errors import ObjectNotFound, StoreError, StoreUnavailable
from storage_service.objectstore.s3 import errors
from storage_service.objectstore.s3.context import S3Context
from storage_service.objectstore.values import MAX_DELETE_BATCH, DeleteResult, ObjectRef


class S3Deleter:
    """Part of ObjectStore."""

    def __init__(self, context: S3Context) -> None:
        self._context = context

    async def delete(self, ref: ObjectRef) -> DeleteResult:
        """See ObjectStore.delete."""
        parameters: dict[str, Any] = {**_object_identifier(ref)}
        try:
            reply = await self._context.control(
                "DeleteObject",
                lambda s3: s3.delete_object(Bucket=self._context.settings.bucket, **parameters),
            )
        except ObjectNotFound:
            return DeleteResult(None, delete_marker=False)
        return DeleteResult(reply.get("VersionId"), delete_marker=bool(reply.get("DeleteMarker")))

    async def delete_many(self, refs: Sequence[ObjectRef]) -> Mapping[ObjectRef, StoreError]:
        """See ObjectStore.delete_many."""
        failed: dict[ObjectRef, StoreError] = {}
        for start in range(0, len(refs), MAX_DELETE_BATCH):
            failed |= await self._delete_batch(refs[start : start + MAX_DELETE_BATCH])
        return failed

    async def _delete_batch(self, refs: Sequence[ObjectRef]) -> dict[ObjectRef, StoreError]:
        objects: list[Any] = [_object_identifier(ref) for ref in refs]
        reply = await self._context.control(
            "DeleteObjects",
            lambda s3: s3.delete_objects(
                Bucket=self._context.settings.bucket, Delete={"Objects": objects, "Quiet": False}
            ),
        )
        failed: dict[ObjectRef, StoreError] = {}
        answered = {_entry_ref(found) for found in (*reply.get("Deleted", []), *reply.get("Errors", []))}
        for found in reply.get("Errors", []):
            error = _entry_error(found)
            if not isinstance(error, ObjectNotFound):
                failed[_reported(found, refs)] = error
        for ref in refs:
            # stores differ in whether they repeat the version id; silence about an object is no success
            if ref not in answered and ObjectRef(ref.key) not in answered:
                failed[ref] = StoreUnavailable(operation="DeleteObjects", outcome_unknown=True)
        return failed


def _entry_ref(found: Any) -> ObjectRef:
    return ObjectRef(found.get("Key", ""), found.get("VersionId") or None)


def _reported(found: Any, refs: Sequence[ObjectRef]) -> ObjectRef:
    """The asked-for object that an entry is about."""
    exact = _entry_ref(found)
    if exact in refs:
        return exact
    return next((ref for ref in refs if ref.key == exact.key), exact)


def _object_identifier(ref: ObjectRef) -> dict[str, str]:
    return {"Key": ref.key} if ref.version_id is None else {"Key": ref.key, "VersionId": ref.version_id}


def _entry_error(found: Any) -> StoreError:
    """Entries carry a code but no status of their own."""
    response: Any = {"Error": {"Code": found.get("Code", "")}, "ResponseMetadata": {"HTTPStatusCode": 500}}
    return errors.translate(ClientError(response, "DeleteObjects"), "DeleteObjects")
