"""metadata.v1.ProjectSaveService; internal: the server harness requires the internal credential."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from grpc.aio import ServicerContext

from metadata_service.db.database import Database
from metadata_service.projects.commit import SaveCommitter
from metadata_service.projects.endings import abandon
from metadata_service.projects.keys import ProjectKeys
from metadata_service.projects.removal import ProjectRemover
from metadata_service.projects.staging import SaveStager
from metadata_service.projects.start import SaveStarter
from servicekit.auth.principal import effective_owner
from servicekit.context import current_principal
from servicekit.limits.counts import Turns
from strongroom.metadata.v1 import project_save_service_pb2 as pb
from strongroom.metadata.v1.project_save_service_pb2_grpc import ProjectSaveServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class ProjectSaveServicer(ProjectSaveServiceServicer):
    """Converts requests and responses. BeginSave and RemoveProject act for the token's user, the rest for the
    save's owner. Transactions that grow with a project's size run one at a time per owner, so that saving a
    hundred large projects at once delays only that owner.
    """

    def __init__(
        self,
        *,
        database: Database,
        starter: SaveStarter,
        stager: SaveStager,
        committer: SaveCommitter,
        remover: ProjectRemover,
        keys: ProjectKeys,
    ) -> None:
        self._database = database
        self._starter = starter
        self._stager = stager
        self._committer = committer
        self._remover = remover
        self._keys = keys
        self._turns = Turns(1)

    async def BeginSave(self, request: pb.BeginSaveRequest, context: Context) -> pb.BeginSaveResponse:
        owner = effective_owner(current_principal(), request.user_id)
        return await self._starter.begin(owner, request, asking=current_principal().subject)

    async def ReserveFiles(
        self, request: pb.ReserveFilesRequest, context: Context
    ) -> pb.ReserveFilesResponse:
        async with self._turn(request.owner_id):
            return pb.ReserveFilesResponse(blobs=await self._stager.reserve(request))

    async def RecordFiles(self, request: pb.RecordFilesRequest, context: Context) -> pb.RecordFilesResponse:
        await self._stager.record(request)
        return pb.RecordFilesResponse()

    async def RenewSave(self, request: pb.RenewSaveRequest, context: Context) -> pb.RenewSaveResponse:
        seconds = await self._stager.renew(request.owner_id, UUID(request.save_id))
        lease = Duration()
        lease.FromMicroseconds(round(seconds * 1_000_000))
        return pb.RenewSaveResponse(lease=lease)

    async def CommitSave(self, request: pb.CommitSaveRequest, context: Context) -> pb.CommitSaveResponse:
        async with self._turn(request.owner_id):
            return await self._committer.commit(request)

    async def AbandonSave(self, request: pb.AbandonSaveRequest, context: Context) -> pb.AbandonSaveResponse:
        async with self._turn(request.owner_id):
            await abandon(self._database, request.owner_id, UUID(request.save_id))
        return pb.AbandonSaveResponse()

    async def RemoveProject(
        self, request: pb.RemoveProjectRequest, context: Context
    ) -> pb.RemoveProjectResponse:
        owner = effective_owner(current_principal(), request.user_id)
        expected = request.expected_version if request.HasField("expected_version") else None
        async with self._turn(owner):
            project = await self._remover.remove(owner, request.slug, expected)
        return pb.RemoveProjectResponse(project=project)

    async def ClaimKeys(self, request: pb.ClaimKeysRequest, context: Context) -> pb.ClaimKeysResponse:
        keys, given_up = await self._keys.claim(request.limit, request.owner_id, request.slug)
        return pb.ClaimKeysResponse(keys=keys, saves_given_up=given_up)

    async def ReportKeys(self, request: pb.ReportKeysRequest, context: Context) -> pb.ReportKeysResponse:
        await self._keys.report(list(request.reports))
        return pb.ReportKeysResponse()

    @asynccontextmanager
    async def _turn(self, owner_id: str) -> AsyncIterator[None]:
        """``async with``: makes this the owner's only such transaction in this process."""
        hold = await self._turns.turn(owner_id)
        try:
            yield
        finally:
            hold.release()
