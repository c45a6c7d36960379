"""metadata.v1.VerificationService, and RestorationService for what a restored database doesn't know.

Internal: the server harness requires the internal credential.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from grpc.aio import ServicerContext

from metadata_service.config import Timing
from metadata_service.db.database import Database
from metadata_service.db.timestamps import to_proto
from metadata_service.erasing import leftovers
from metadata_service.restoring.adoption import Adopter
from metadata_service.restoring.relinking import Relinker
from metadata_service.verifying import installation
from metadata_service.verifying.keys import KeyRows
from metadata_service.verifying.partners import Partners
from metadata_service.verifying.repairs import RowRepairs
from metadata_service.verifying.runs import Runs
from metadata_service.verifying.scrubbing import Scrubbing
from metadata_service.verifying.shown import shown
from metadata_service.verifying.sums import Sums
from strongroom.errors import InvalidField
from strongroom.metadata.v1 import restoration_service_pb2 as restoration_pb
from strongroom.metadata.v1 import verification_pb2
from strongroom.metadata.v1 import verification_service_pb2 as pb
from strongroom.metadata.v1.restoration_service_pb2_grpc import RestorationServiceServicer
from strongroom.metadata.v1.verification_service_pb2_grpc import VerificationServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"

MOST_OBJECTS: Final = 1000


class VerificationServicer(VerificationServiceServicer):
    """Converts requests and responses."""

    def __init__(self, database: Database, timing: Timing) -> None:
        self._database = database
        self._repairs = RowRepairs(database, timing.read_grace)
        self._runs = Runs(database)
        self._keys = KeyRows(database)
        self._partners = Partners(database)
        self._sums = Sums(database)
        self._scrubbing = Scrubbing(database)

    async def GetInstallation(
        self, request: pb.GetInstallationRequest, context: Context
    ) -> pb.GetInstallationResponse:
        return await installation.read(self._database)

    async def RepairRow(self, request: pb.RepairRowRequest, context: Context) -> pb.RepairRowResponse:
        return pb.RepairRowResponse(changed=await self._repairs.repair(request))

    async def BeginVerification(
        self, request: pb.BeginVerificationRequest, context: Context
    ) -> pb.BeginVerificationResponse:
        run, begun = await self._runs.begin(request.depth, request.unless_younger_seconds)
        return pb.BeginVerificationResponse(verification=run, begun=begun)

    async def GetVerification(
        self, request: pb.GetVerificationRequest, context: Context
    ) -> pb.GetVerificationResponse:
        return pb.GetVerificationResponse(verification=await self._runs.run(request.id))

    async def ListFindings(
        self, request: pb.ListFindingsRequest, context: Context
    ) -> pb.ListFindingsResponse:
        found = await self._runs.findings(request.id, request.after_number, request.limit)
        return pb.ListFindingsResponse(findings=found)

    async def ClaimShard(self, request: pb.ClaimShardRequest, context: Context) -> pb.ClaimShardResponse:
        return pb.ClaimShardResponse(shard=await self._runs.claim())

    async def SaveShard(self, request: pb.SaveShardRequest, context: Context) -> pb.SaveShardResponse:
        await self._runs.save(request)
        return pb.SaveShardResponse()

    async def RenewShard(self, request: pb.RenewShardRequest, context: Context) -> pb.RenewShardResponse:
        return pb.RenewShardResponse(lease_seconds=await self._runs.renew(request.shard))

    async def ReleaseShard(
        self, request: pb.ReleaseShardRequest, context: Context
    ) -> pb.ReleaseShardResponse:
        await self._runs.release(request.shard, request.failure)
        return pb.ReleaseShardResponse()

    async def ListKeyRows(self, request: pb.ListKeyRowsRequest, context: Context) -> pb.ListKeyRowsResponse:
        rows, more = await self._keys.page(request.after_key, request.until_key, request.limit)
        return pb.ListKeyRowsResponse(rows=rows, more=more)

    async def LookUpKeys(self, request: pb.LookUpKeysRequest, context: Context) -> pb.LookUpKeysResponse:
        busy = await self._keys.busy(request.keys)  # first: a session may end in between
        return pb.LookUpKeysResponse(rows=await self._keys.at(request.keys), busy_keys=busy)

    async def ListLiveSegments(
        self, request: pb.ListLiveSegmentsRequest, context: Context
    ) -> pb.ListLiveSegmentsResponse:
        sessions, cursor = await self._keys.live_segments(request.cursor, request.blob_id)
        return pb.ListLiveSegmentsResponse(sessions=sessions, cursor=cursor)

    async def CheckRows(self, request: pb.CheckRowsRequest, context: Context) -> pb.CheckRowsResponse:
        steps = {
            verification_pb2.VERIFICATION_STAGE_FILES: self._partners.files,
            verification_pb2.VERIFICATION_STAGE_PROJECT_FILES: self._partners.project_files,
            verification_pb2.VERIFICATION_STAGE_SUMS: self._sums.check,
        }
        if request.stage not in steps:
            raise InvalidField("This stage needs the object store.", field="stage", rule="rows_only")
        step = await steps[request.stage](request.cursor)
        return pb.CheckRowsResponse(findings=step.findings, counts=step.counts, cursor=step.cursor)

    async def ClaimScrub(self, request: pb.ClaimScrubRequest, context: Context) -> pb.ClaimScrubResponse:
        claim = await self._scrubbing.claim(request.limit)
        response = pb.ClaimScrubResponse(rows=claim.rows, unchecked=claim.unchecked)
        if claim.oldest is not None:
            response.oldest_check_time.CopyFrom(to_proto(claim.oldest))
        return response

    async def ReportScrub(self, request: pb.ReportScrubRequest, context: Context) -> pb.ReportScrubResponse:
        await self._scrubbing.report(request.results)
        return pb.ReportScrubResponse()

    async def FindShown(
        self, request: verification_pb2.FindShownRequest, context: Context
    ) -> verification_pb2.FindShownResponse:
        if len(request.objects) > MOST_OBJECTS:
            raise InvalidField("Name at most 1,000 objects.", field="objects", rule="max_items")
        return verification_pb2.FindShownResponse(shown=await shown(self._database, request.objects))

    async def FindErased(self, request: pb.FindErasedRequest, context: Context) -> pb.FindErasedResponse:
        if len(request.objects) > MOST_OBJECTS:
            raise InvalidField("Name at most 1,000 objects.", field="objects", rule="max_items")
        any_erasure, now = await leftovers.any_erasure(self._database)
        found = await leftovers.erased(self._database, request.objects) if any_erasure else []
        return pb.FindErasedResponse(any=any_erasure, erased=found, now=to_proto(now))


class RestorationServicer(RestorationServiceServicer):
    """Converts requests and responses."""

    def __init__(self, adopter: Adopter, relinker: Relinker) -> None:
        self._adopter = adopter
        self._relinker = relinker

    async def DescribeObjects(
        self, request: restoration_pb.DescribeObjectsRequest, context: Context
    ) -> restoration_pb.DescribeObjectsResponse:
        return restoration_pb.DescribeObjectsResponse(
            objects=[self._adopter.describe(found) for found in request.objects]
        )

    async def AdoptObject(
        self, request: restoration_pb.AdoptObjectRequest, context: Context
    ) -> restoration_pb.AdoptObjectResponse:
        adopted = await self._adopter.adopt(request.object)
        return restoration_pb.AdoptObjectResponse(file=adopted.file, already=adopted.already)

    async def RelinkRows(
        self, request: restoration_pb.RelinkRowsRequest, context: Context
    ) -> restoration_pb.RelinkRowsResponse:
        return restoration_pb.RelinkRowsResponse(changed=await self._relinker.relink(request.rows))
