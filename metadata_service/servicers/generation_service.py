"""metadata.v1.GenerationService."""

from __future__ import annotations

from typing import TypeAlias, cast
from uuid import UUID

from grpc.aio import ServicerContext

from metadata_service.db.paging import page_size
from metadata_service.db.revisions import Revisions
from metadata_service.files.generations import (
    DEFAULT_PAGE,
    LARGEST_PAGE,
    GenerationQueries,
    Stats,
)
from metadata_service.files.newest_first import PageRequest
from metadata_service.servicers.filters import filter_of
from metadata_service.usage.costs import BYTES_PER_GB
from servicekit.auth.principal import effective_owner
from servicekit.context import current_principal
from strongroom.metadata.v1 import generation_service_pb2 as pb
from strongroom.metadata.v1.file_pb2 import GenerationType
from strongroom.metadata.v1.generation_service_pb2_grpc import GenerationServiceServicer

Context: TypeAlias = "ServicerContext[object, object]"


class GenerationServicer(GenerationServiceServicer):
    """Converts requests and responses; ``price`` is USD per GB (2^30 bytes) and month."""

    def __init__(self, queries: GenerationQueries, price: float, revisions: Revisions) -> None:
        self._queries = queries
        self._price = price
        self._revisions = revisions

    async def GetGeneration(
        self, request: pb.GetGenerationRequest, context: Context
    ) -> pb.GetGenerationResponse:
        owner = effective_owner(current_principal(), request.user_id)
        return pb.GetGenerationResponse(file=await self._queries.by_id(owner, UUID(request.file_id)))

    async def ListGenerations(
        self, request: pb.ListGenerationsRequest, context: Context
    ) -> pb.ListGenerationsResponse:
        owner = effective_owner(current_principal(), request.user_id)
        size = page_size(request.page_size, default=DEFAULT_PAGE, largest=LARGEST_PAGE)
        page = PageRequest(size, request.page_token, request.skip)
        wanted = filter_of(request.filter)
        with self._revisions.seen() as seen:
            files, total, token = await self._queries.page(owner, request.type, page, wanted)
        return pb.ListGenerationsResponse(
            files=files, total_size=total, next_page_token=token, revision=seen.text
        )

    async def GetGenerationStats(
        self, request: pb.GetGenerationStatsRequest, context: Context
    ) -> pb.GetGenerationStatsResponse:
        owner = effective_owner(current_principal(), request.user_id)
        with self._revisions.seen() as seen:
            response = _to_proto(await self._queries.stats(owner), self._price)
        response.revision = seen.text
        return response


def _to_proto(stats: Stats, price: float) -> pb.GetGenerationStatsResponse:
    response = pb.GetGenerationStatsResponse(
        total=stats.total.count,
        total_bytes=stats.total.size_bytes,
        estimated_monthly_cost_usd=stats.total.size_bytes / BYTES_PER_GB * price,
    )
    for kind, tally in stats.by_type.items():
        response.by_type.add(
            type=cast("GenerationType.ValueType", kind), count=tally.count, size_bytes=tally.size_bytes
        )
    for day, tally in stats.by_day.items():
        response.by_day.add(date=day.isoformat(), count=tally.count, size_bytes=tally.size_bytes)
    return response
