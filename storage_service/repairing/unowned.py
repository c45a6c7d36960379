"""Repairs of versions, delete markers and multipart uploads that no row owns."""

from __future__ import annotations

from typing import Final

from servicekit import failpoints
from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.errors import ObjectNotFound, UploadNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.repairing.outcomes import Repaired, done, left, outdated
from storage_service.repairing.quarantine import Quarantine
from storage_service.verifying.metrics import kind_name
from storage_service.verifying.objects import Objects
from storage_service.verifying.uploads import OpenUploads
from storage_service.verifying.window import AtKey
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED
from strongroom.storage.v1 import verify_pb2 as wire

AFTER_MARKER: Final = failpoints.register("storage.repair.after_marker")
AFTER_ABORT: Final = failpoints.register("storage.repair.after_abort")

UNOWNED: Final = frozenset({pb.FINDING_KIND_OBJECT_ORPHANED, pb.FINDING_KIND_FOREIGN_VERSION})
_ABORT_ROUNDS: Final = 5


class UnownedRepairs:
    """Repairs what no row owns. One instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        records: VerificationRecords,
        quarantine: Quarantine,
        objects: Objects,
        uploads: OpenUploads,
    ) -> None:
        self._store = store
        self._records = records
        self._quarantine = quarantine
        self._objects = objects
        self._uploads = uploads

    async def move(self, finding: pb.Finding, seen: AtKey, run_id: str) -> Repaired:
        """Move a version to quarantine. Raises StrongroomError, StoreError."""
        action = wire.REPAIR_ACTION_QUARANTINE
        version = next((one for one in seen.versions if one.version_id == finding.version_id), None)
        if version is None:
            return outdated(action)

        async def still() -> bool:
            found, _ = await self._objects.look_again(finding.key)
            return any(one.kind in UNOWNED and one.version_id == finding.version_id for one in found)

        why = kind_name(finding.kind)
        try:
            moved = await self._quarantine.move(
                version, why=why, found=finding.found, run_id=run_id, still=still
            )
        except ObjectNotFound:
            return left("the store lists it, but does not return it: check the store", action)
        return outdated(action) if moved is None else done(action, f"quarantine {moved.id}")

    async def remove_marker(self, finding: pb.Finding, seen: AtKey) -> Repaired:
        """Remove exactly this delete marker."""
        action = wire.REPAIR_ACTION_REMOVE_MARKER
        marker = next((one for one in seen.versions if one.version_id == finding.version_id), None)
        if marker is None or not marker.is_delete_marker:
            return outdated(action)
        await self._store.delete(marker.ref)
        await failpoints.hit(AFTER_MARKER)
        return done(action)

    async def abort(self, finding: pb.Finding) -> Repaired:
        """Abort an open multipart upload, unless an object could still need its parts."""
        action = wire.REPAIR_ACTION_ABORT
        abandoned = await self._uploads.abandoned_at(finding.key)
        if all(upload.upload_id != finding.upload_id for upload in abandoned):
            return outdated(action)
        found, _ = await self._objects.look_again(finding.key)
        if any(one.kind in UNOWNED for one in found):
            return left("an object without an owner is at its key; repair that first", action)
        try:
            if await self._may_be_a_file(finding):
                return left("a file is at its key, and these parts may be its bytes", action)
        except UploadNotFound:
            return outdated(action)
        for _ in range(_ABORT_ROUNDS):  # a part in flight may land after an abort
            try:
                await self._store.abort(finding.key, finding.upload_id)
            except UploadNotFound:
                break
        await failpoints.hit(AFTER_ABORT)
        return done(action)

    async def _may_be_a_file(self, finding: pb.Finding) -> bool:
        """Whether the upload's parts may be the bytes of a committed object. Raises UploadNotFound.

        Swift may still list a completed upload, whose parts are the object's bytes. If the row was adopted,
        rebuilt or relinked, it names another upload or none.
        """
        rows = (await self._records.look_up([finding.key])).at(finding.key)
        if all(row.state != BLOB_STATE_COMMITTED for row in rows):
            return False
        return bool(await self._store.list_parts(finding.key, finding.upload_id))
