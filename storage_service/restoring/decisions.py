"""Carries out an operator's decision about a stray object: keep it as a file of its owner, or quarantine it.

Each object is checked again, whatever an earlier list said. So both operations can be repeated at any time:
an object that a row names is never removed, and an object that is a file already stays that file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from servicekit import failpoints
from storage_service.attempts.removal import versions_at
from storage_service.attempts.versioning import told_version
from storage_service.metadata.verification import Restorations, VerificationRecords
from storage_service.objectstore.errors import ObjectNotFound, StoreError, to_strongroom
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ListedVersion, ObjectRef
from storage_service.repairing.identity import BucketIdentity
from storage_service.repairing.quarantine import Quarantine
from storage_service.restoring.projects import ProjectRestorer
from storage_service.restoring.strays import Strays, stored_object
from storage_service.verifying.readback import checksum_of
from strongroom.errors import FileNotFound, PreconditionFailed, StrongroomError
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED
from strongroom.storage.v1 import restore_pb2 as pb

AFTER_ADOPT: Final = failpoints.register("storage.restore.after_adopt")
BEFORE_SAVE: Final = failpoints.register("storage.restore.before_save")
LOOKS: Final = 5
"""How often to look for other versions of the same attempt, which a repeated request may have left."""
WHY: Final = "dropped"
"""The reason in manifests of the quarantine; repairs put a finding's kind there."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One named object: the versions of its key, newest first, and its stray (None: it is not astray)."""

    name: pb.ObjectName
    versions: Sequence[ListedVersion]
    stray: pb.StrayObject | None

    @property
    def ref(self) -> ObjectRef:
        """The object."""
        return ObjectRef(self.name.key, self.name.version_id or None)

    @property
    def is_there(self) -> bool:
        """Whether the bucket has it."""
        return any(told_version(version.version_id) == self.name.version_id for version in self.versions)


class Decisions:
    """Keeps and drops; one instance per process."""

    def __init__(
        self,
        store: ObjectStore,
        records: VerificationRecords,
        restorations: Restorations,
        strays: Strays,
        projects: ProjectRestorer,
        *,
        quarantine: Quarantine,
        identity: BucketIdentity,
    ) -> None:
        self._quarantine = quarantine
        self._identity = identity
        self._store = store
        self._records = records
        self._restorations = restorations
        self._strays = strays
        self._projects = projects

    async def keep(self, names: Sequence[pb.ObjectName]) -> list[pb.ObjectResult]:
        """Keep objects, one after the other because one may replace another. Raises RepairRefused like
        ``drop``.
        """
        await self._identity.check(take=False)
        return [await self._safely(name, self._keep) for name in names]

    async def drop(self, names: Sequence[pb.ObjectName]) -> list[pb.ObjectResult]:
        """Drop objects in parallel, each once. Raises RepairRefused: the bucket is another installation's."""
        await self._identity.check(take=False)
        told = {(name.key, name.version_id): name for name in names}
        dropped = await asyncio.gather(*(self._safely(name, self._drop) for name in told.values()))
        results = dict(zip(told, dropped, strict=True))
        return [results[name.key, name.version_id] for name in names]

    async def _safely(
        self, name: pb.ObjectName, work: Callable[[_Seen], Awaitable[pb.ObjectResult]]
    ) -> pb.ObjectResult:
        """Handle one object. Its error becomes its result, and the others continue."""
        try:
            versions = await versions_at(self._store, name.key)
            strays = await self._strays.at(name.key, versions)
            stray = next((one for one in strays if one.name.version_id == name.version_id), None)
            return await work(_Seen(name, versions, stray))
        except StoreError as error:
            refusal = to_strongroom(error)
        except StrongroomError as error:
            refusal = error
        return pb.ObjectResult(
            name=name,
            outcome=pb.OBJECT_OUTCOME_REFUSED,
            reason=refusal.reason_name,
            message=refusal.message,
        )

    async def _keep(self, seen: _Seen) -> pb.ObjectResult:
        stray = seen.stray
        if stray is None:
            return await self._known(seen)
        if stray.kind == pb.STRAY_KIND_HIDDEN:
            await self._show_again(seen)
            return pb.ObjectResult(name=seen.name, outcome=pb.OBJECT_OUTCOME_KNOWN)
        if stray.description.project_slug:
            return await self._save_project(seen, stray)
        info = await self._store.head(seen.ref)
        crc32c = await checksum_of(self._store, seen.ref, info)
        adopted = await self._restorations.adopt(stored_object(info, crc32c))
        await failpoints.hit(AFTER_ADOPT)
        await self._show_again(seen)
        outcome = pb.OBJECT_OUTCOME_KNOWN if adopted.already else pb.OBJECT_OUTCOME_KEPT
        return pb.ObjectResult(name=seen.name, outcome=outcome, file=adopted.file)

    async def _save_project(self, seen: _Seen, stray: pb.StrayObject) -> pb.ObjectResult:
        """Save the project's next version from what its keys show, which includes this object."""
        if stray.kind != pb.STRAY_KIND_STORED_LATER:
            raise PreconditionFailed("The newest version of its project has other content there.")
        said = stray.description
        prefix = seen.name.key.removesuffix(said.filename)
        await failpoints.hit(BEFORE_SAVE)
        await self._projects.save(said.owner_id, said.project_slug, prefix)
        return pb.ObjectResult(name=seen.name, outcome=pb.OBJECT_OUTCOME_KEPT)

    async def _known(self, seen: _Seen) -> pb.ObjectResult:
        """An object that is not astray: it is a file, the cleaner has it, or it does not exist."""
        if not seen.is_there:
            raise FileNotFound("The bucket has no such object.")
        if await self._is_committed(seen.name):
            return pb.ObjectResult(name=seen.name, outcome=pb.OBJECT_OUTCOME_KNOWN)
        raise PreconditionFailed("It was deleted or given up, or is none of Strongroom's.")

    async def _is_committed(self, name: pb.ObjectName) -> bool:
        rows = (await self._records.look_up([name.key])).at(name.key)
        return any(row.state == BLOB_STATE_COMMITTED and row.version_id == name.version_id for row in rows)

    async def _show_again(self, seen: _Seen) -> None:
        """Remove the delete markers on top of the object."""
        for version in seen.versions:
            if not version.is_delete_marker:
                return
            await self._store.delete(version.ref)

    async def _drop(self, seen: _Seen) -> pb.ObjectResult:
        stray = seen.stray
        if stray is None:
            if seen.is_there:
                raise PreconditionFailed("A row of the database names it, or it is none of Strongroom's.")
        elif stray.kind == pb.STRAY_KIND_HIDDEN:
            raise PreconditionFailed("It is a file of the restored state; delete that.")
        elif stray.kind == pb.STRAY_KIND_UNFINISHED:
            raise PreconditionFailed("Its upload was under way; the cleaner removes it.")
        else:
            await self._remove(seen, stray.description.attempt_id)
        return pb.ObjectResult(name=seen.name, outcome=pb.OBJECT_OUTCOME_DROPPED)

    async def _remove(self, seen: _Seen, attempt_id: str) -> None:
        """Move the version, and others of the same attempt, to quarantine; also remove markers that hide
        nothing.
        """
        versions: Sequence[ListedVersion] = ()
        for _ in range(LOOKS):
            versions = await versions_at(self._store, seen.name.key)
            strays = await self._strays.at(seen.name.key, versions)
            names = {stray.name.version_id for stray in strays if stray.description.attempt_id == attempt_id}
            twins = [version for version in versions if told_version(version.version_id) in names]
            if not twins:
                break
            for twin in twins:
                await self._move(twin)
        if all(version.is_delete_marker for version in versions):
            for version in versions:
                await self._store.delete(version.ref)

    async def _move(self, version: ListedVersion) -> None:
        async def still() -> bool:
            strays = await self._strays.at(version.key, await versions_at(self._store, version.key))
            return any(stray.name.version_id == told_version(version.version_id) for stray in strays)

        try:
            await self._quarantine.move(version, why=WHY, found="astray", run_id="", still=still)
        except ObjectNotFound:
            return
