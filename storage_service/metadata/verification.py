"""VerificationService, RestorationService: rows to compare with objects, and rows made from objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from grpc import aio

from servicekit.auth.credentials import InternalCredential
from storage_service.metadata.calls import MetadataClient
from strongroom.metadata.v1 import restoration_service_pb2 as restoration_pb
from strongroom.metadata.v1 import verification_pb2
from strongroom.metadata.v1 import verification_service_pb2 as pb
from strongroom.metadata.v1.operations_service_pb2 import ReportQuarantinePassRequest
from strongroom.metadata.v1.operations_service_pb2_grpc import OperationsServiceStub
from strongroom.metadata.v1.restoration_pb2 import ObjectDescription, StoredObject
from strongroom.metadata.v1.restoration_service_pb2_grpc import RestorationServiceStub
from strongroom.metadata.v1.verification_service_pb2_grpc import VerificationServiceStub

#: Seconds. A step covers thousands of rows; metadata_service's own statements end after 15 s.
CALL_SECONDS: Final = 25.0
MOST_OBJECTS: Final = 1000
MOST_KEYS: Final = 1000


@dataclass(frozen=True, slots=True)
class KeysNow:
    """The database's state of some keys at one moment: rows by key, and keys that can't be judged
    (``busy``).
    """

    rows: dict[str, list[pb.KeyRow]]
    busy: frozenset[str]

    def at(self, key: str) -> list[pb.KeyRow]:
        """Return all rows of one key."""
        return self.rows.get(key, [])


class VerificationRecords(MetadataClient):
    """Reads rows, and records runs and their findings."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = VerificationServiceStub(channel)
        self._operations = OperationsServiceStub(channel)

    async def installation(self) -> pb.GetInstallationResponse:
        """Return the installation that the database belongs to."""
        return await self._step(self._stub.GetInstallation, pb.GetInstallationRequest(), CALL_SECONDS)

    async def repair_row(self, request: pb.RepairRowRequest) -> bool:
        """Repair a row. Return False if it has changed meanwhile and was left alone."""
        return (await self._step(self._stub.RepairRow, request, CALL_SECONDS)).changed

    async def begin(
        self, depth: verification_pb2.VerificationDepth.ValueType, unless_younger: float = 0.0
    ) -> pb.BeginVerificationResponse:
        """Return a new run or the one in progress; none if the last is younger than ``unless_younger``
        seconds.
        """
        request = pb.BeginVerificationRequest(depth=depth, unless_younger_seconds=unless_younger)
        return await self._step(self._stub.BeginVerification, request, CALL_SECONDS)

    async def run(self, run_id: str) -> verification_pb2.Verification:
        """Return a run; the last one for an empty id. Raises NotFound."""
        request = pb.GetVerificationRequest(id=run_id)
        return (await self._step(self._stub.GetVerification, request, CALL_SECONDS)).verification

    async def findings(self, run_id: str, after: int, limit: int = 0) -> Sequence[verification_pb2.Finding]:
        """Return the findings with numbers greater than ``after``; none at the end."""
        request = pb.ListFindingsRequest(id=run_id, after_number=after, limit=limit)
        return (await self._step(self._stub.ListFindings, request, CALL_SECONDS)).findings

    async def claim(self) -> pb.VerificationShard | None:
        """Return a shard of the run in progress that no process works on, or None."""
        response = await self._step(self._stub.ClaimShard, pb.ClaimShardRequest())
        return response.shard if response.HasField("shard") else None

    async def save(self, request: pb.SaveShardRequest) -> None:
        """Save a shard's progress. Raises UploadSuperseded if another process has taken the shard over."""
        await self._step(self._stub.SaveShard, request, CALL_SECONDS)

    async def renew(self, shard: pb.VerificationShard) -> float:
        """Renew the lease on the shard and return it in seconds. Raises UploadSuperseded."""
        return (await self._step(self._stub.RenewShard, pb.RenewShardRequest(shard=shard))).lease_seconds

    async def release(self, shard: pb.VerificationShard, failure: str) -> None:
        """Give a shard back after a failure. Too many in a row fail the run."""
        await self._step(self._stub.ReleaseShard, pb.ReleaseShardRequest(shard=shard, failure=failure))

    async def page(self, after: str, until: str, limit: int) -> pb.ListKeyRowsResponse:
        """Return rows with keys in (after, until], in key order."""
        request = pb.ListKeyRowsRequest(after_key=after, until_key=until, limit=limit)
        return await self._step(self._stub.ListKeyRows, request, CALL_SECONDS)

    async def look_up(self, keys: Sequence[str]) -> KeysNow:
        """Return the rows of any number of keys, each read at some moment after this call began."""
        rows: dict[str, list[pb.KeyRow]] = {}
        busy: set[str] = set()
        for at in range(0, len(keys), MOST_KEYS):
            request = pb.LookUpKeysRequest(keys=keys[at : at + MOST_KEYS])
            found = await self._step(self._stub.LookUpKeys, request, CALL_SECONDS)
            busy.update(found.busy_keys)
            for row in found.rows:
                rows.setdefault(row.key, []).append(row)
        return KeysNow(rows, frozenset(busy))

    async def live_segments(self, cursor: str = "", blob_id: str = "") -> pb.ListLiveSegmentsResponse:
        """Return uploads in progress with their segments."""
        request = pb.ListLiveSegmentsRequest(cursor=cursor, blob_id=blob_id)
        return await self._step(self._stub.ListLiveSegments, request, CALL_SECONDS)

    async def check_rows(
        self, stage: verification_pb2.VerificationStage.ValueType, cursor: str
    ) -> pb.CheckRowsResponse:
        """Run one step of a stage that needs no object store."""
        request = pb.CheckRowsRequest(stage=stage, cursor=cursor)
        return await self._step(self._stub.CheckRows, request, CALL_SECONDS)

    async def claim_scrub(self, limit: int) -> pb.ClaimScrubResponse:
        """Return committed objects that are to be read back."""
        return await self._step(self._stub.ClaimScrub, pb.ClaimScrubRequest(limit=limit), CALL_SECONDS)

    async def any_erasure(self) -> datetime | None:
        """Return the time of the database's clock if there is or was an erasure, else None."""
        found = await self._step(self._stub.FindErased, pb.FindErasedRequest(), CALL_SECONDS)
        return found.now.ToDatetime(UTC) if found.any else None

    async def quarantine_seen(self, begun: datetime) -> None:
        """Record that a pass begun then has searched the whole quarantine for objects of erased users."""
        request = ReportQuarantinePassRequest()
        request.begin_time.FromDatetime(begun)
        await self._step(self._operations.ReportQuarantinePass, request)

    async def shown(self, objects: Sequence[verification_pb2.UnownedObject]) -> set[int]:
        """Return the positions of objects without a known attempt that a file or project file shows."""
        found: set[int] = set()
        for at in range(0, len(objects), MOST_KEYS):
            request = verification_pb2.FindShownRequest(objects=objects[at : at + MOST_KEYS])
            reply = await self._step(self._stub.FindShown, request, CALL_SECONDS)
            found.update(at + position for position in reply.shown)
        return found

    async def erased(self, objects: Sequence[verification_pb2.UnownedObject]) -> list[int]:
        """Return the positions of objects (at most 1,000) of erased users.

        That are owners who are being erased, or were erased after the object was written.
        """
        request = pb.FindErasedRequest(objects=objects)
        return list((await self._step(self._stub.FindErased, request, CALL_SECONDS)).erased)

    async def report_scrub(self, results: Sequence[pb.ScrubResult]) -> None:
        """Record the results of reading objects back."""
        await self._step(self._stub.ReportScrub, pb.ReportScrubRequest(results=results), CALL_SECONDS)


class Restorations(MetadataClient):
    """Changes the database's rows after a restore."""

    def __init__(self, channel: aio.Channel, internal: InternalCredential) -> None:
        super().__init__(channel, internal)
        self._stub = RestorationServiceStub(channel)

    async def describe(self, objects: Sequence[StoredObject]) -> list[ObjectDescription]:
        """Return one description per object, in order, read from its own metadata."""
        said: list[ObjectDescription] = []
        for at in range(0, len(objects), MOST_OBJECTS):
            request = restoration_pb.DescribeObjectsRequest(objects=objects[at : at + MOST_OBJECTS])
            said += (await self._step(self._stub.DescribeObjects, request, CALL_SECONDS)).objects
        return said

    async def adopt(self, found: StoredObject) -> restoration_pb.AdoptObjectResponse:
        """Make a file of the object and return it. Raises StrongroomError with the reason if nothing was
        changed.
        """
        return await self._step(
            self._stub.AdoptObject, restoration_pb.AdoptObjectRequest(object=found), CALL_SECONDS
        )

    async def relink(self, rows: Sequence[restoration_pb.MovedRow]) -> int:
        """Change the object that rows refer to. Return how many rows were changed."""
        changed = 0
        for at in range(0, len(rows), MOST_OBJECTS):
            request = restoration_pb.RelinkRowsRequest(rows=rows[at : at + MOST_OBJECTS])
            changed += (await self._step(self._stub.RelinkRows, request, CALL_SECONDS)).changed
        return changed
