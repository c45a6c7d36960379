"""metadata.v1.RetentionService."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from grpc.aio import ServicerContext

from metadata_service.db.timestamps import from_proto
from metadata_service.retaining.retainer import Actor, Retainer, Wanted
from metadata_service.retaining.subjects import Subject
from metadata_service.retention_rules import DAY, FAMILIES, RetentionRules
from servicekit.auth.principal import effective_owner
from servicekit.context import current_principal, current_request_id
from servicekit.texts import refuse_nul
from strongroom.metadata.v1 import retention_service_pb2 as pb
from strongroom.metadata.v1.retention_service_pb2_grpc import RetentionServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"
_Request: TypeAlias = pb.SetRetentionRequest | pb.PlaceHoldRequest | pb.LiftHoldRequest


class RetentionServicer(RetentionServiceServicer):
    """Converts requests and responses. ``trash``: how long files that were deleted automatically can be
    restored, in seconds.
    """

    def __init__(self, retainer: Retainer, rules: RetentionRules, trash: float) -> None:
        self._retainer = retainer
        self._rules = rules
        self._trash = trash

    async def GetRetentionRules(
        self, request: pb.GetRetentionRulesRequest, context: Context
    ) -> pb.GetRetentionRulesResponse:
        effective_owner(current_principal(), request.user_id)
        rules = [
            pb.RetentionRule(
                family=number,
                keep_days=self._rules.keep.get(name, 0.0) / DAY,
                delete_after_days=self._rules.delete_after.get(name, 0.0) / DAY,
            )
            for name, number in FAMILIES.items()
            if name in self._rules.keep or name in self._rules.delete_after
        ]
        projects = self._rules.keep.get("projects", 0.0) / DAY
        return pb.GetRetentionRulesResponse(
            rules=rules, trash_seconds=self._trash, project_keep_days=projects
        )

    async def SetRetention(
        self, request: pb.SetRetentionRequest, context: Context
    ) -> pb.SetRetentionResponse:
        kept, going = request.HasField("keep_until_time"), request.HasField("delete_after_time")
        wanted = Wanted(
            from_proto(request.keep_until_time) if kept else None,
            request.clear_keep_until,
            from_proto(request.delete_after_time) if going else None,
            request.clear_delete_after,
        )
        return pb.SetRetentionResponse(
            retention=await self._retainer.set(_subject(request), wanted, _actor())
        )

    async def PlaceHold(self, request: pb.PlaceHoldRequest, context: Context) -> pb.PlaceHoldResponse:
        refuse_nul(request, "reason")
        retention = await self._retainer.place_hold(_subject(request), request.reason, _actor())
        return pb.PlaceHoldResponse(retention=retention)

    async def LiftHold(self, request: pb.LiftHoldRequest, context: Context) -> pb.LiftHoldResponse:
        return pb.LiftHoldResponse(retention=await self._retainer.lift_hold(_subject(request), _actor()))


def _subject(request: _Request) -> Subject:
    owner = effective_owner(current_principal(), request.user_id)
    return Subject(owner, UUID(request.file_id) if request.file_id else None, request.project)


def _actor() -> Actor:
    principal = current_principal()
    return Actor(principal.subject, principal.is_admin, current_request_id())
